"""The OpenID Connect relying party: discovery, the authorization code flow, and what it believes of a token."""
