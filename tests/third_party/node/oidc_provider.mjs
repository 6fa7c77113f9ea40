// An OpenID Provider of other authors, with one client: the bridge. Whoever signs in is whom they say, in two groups.
//
//   node oidc_provider.mjs PORT '{"redirect_uris": …, "backchannel_logout_uri": …}'
import { Provider } from 'oidc-provider';

const [port, client] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [{ client_id: 'bridge', client_secret: 'never-kept-anywhere-else', ...JSON.parse(client) }],
  cookies: { keys: ['of this run alone'] },
  conformIdTokenClaims: false,
  scopes: ['openid', 'email', 'profile', 'groups', 'offline_access'],
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'given_name', 'family_name', 'preferred_username'],
    groups: ['groups'],
  },
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  // Its own way refuses addresses of this machine, where the bridge is.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  async findAccount(_context, id) {
    const name = id.split('@')[0];
    return {
      accountId: id,
      claims: async () => ({
        sub: `account-of-${name}`,
        email: id,
        email_verified: true,
        name,
        given_name: name,
        family_name: 'Example',
        preferred_username: id,
        groups: ['Street', 'Reviewers'],
      }),
    };
  },
  async loadExistingGrant(context) {
    // The bridge is the organization's own: nobody is asked for consent.
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope('openid email profile groups');
    await grant.save();
    return grant;
  },
});

provider.on('backchannel.success', () => console.log('a notice of a sign-out was taken'));
provider.on('backchannel.error', (_context, error) => console.log('a notice of a sign-out was not taken:', error));
provider.on('server_error', (_context, error) => console.log('failed:', error));

provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
