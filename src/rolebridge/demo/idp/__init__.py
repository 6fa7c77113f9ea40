"""A local identity provider to try signing in with: it asks for no password, whoever is picked has signed in.

For development only, and built so that it cannot become anything else: it starts at a loopback address alone, answers
only requests that name that address, and says on each page what it is. Each of the demo's connections has its own
provider here (`/okta-demo/`, `/entra-demo/`), with a SAML and an OpenID Connect face and a key of its own. The people
are those whom the demo's SCIM traffic provisions, so that who signs in is whom the bridge knows.
"""

from rolebridge.demo.idp.application import DemoIdp, NotLocal
from rolebridge.demo.idp.keys import SigningKey
from rolebridge.demo.idp.parties import OidcParty, SamlParty
from rolebridge.demo.idp.people import Person, people_of

__all__ = ["DemoIdp", "NotLocal", "OidcParty", "Person", "SamlParty", "SigningKey", "people_of"]
