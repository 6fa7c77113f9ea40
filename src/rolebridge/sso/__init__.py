"""Single sign-on: a login at an identity provider, by SAML or OpenID Connect, becomes one `AssertedIdentity`.

`saml` is the SAML 2.0 service provider, `oidc` the OpenID Connect relying party; `door` is what both begin a login with
and end it by. What a login then means for people, groups and roles is `bridge.logins`'.
"""
