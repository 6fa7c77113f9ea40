"""The SAML 2.0 service provider: its metadata, its requests, and what it believes of a response."""
