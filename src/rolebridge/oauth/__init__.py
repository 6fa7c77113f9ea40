"""OAuth 2.0 for SCIM clients: the token endpoint (client credentials) and what describes it."""
