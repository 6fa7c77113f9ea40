// An application of other authors: openid-client (certified) signs somebody in, and uses every endpoint there is.
//
//   node openid_client.mjs PORT ISSUER CLIENT-ID SECRET      GET /login begins, GET /callback tells what came of it
import http from 'node:http';
import * as client from 'openid-client';

const [port, issuer, id, secret] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;
const config = await client.discovery(new URL(issuer), id, secret, undefined, {
  execute: [client.allowInsecureRequests], // the loopback
});
const pending = {};

async function begin() {
  pending.pkceCodeVerifier = client.randomPKCECodeVerifier();
  pending.expectedNonce = client.randomNonce();
  pending.expectedState = client.randomState();
  return client.buildAuthorizationUrl(config, {
    redirect_uri: `${base}/callback`,
    scope: 'openid profile email groups roles offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(pending.pkceCodeVerifier),
    code_challenge_method: 'S256',
    nonce: pending.expectedNonce,
    state: pending.expectedState,
  });
}

async function finish(url) {
  const tokens = await client.authorizationCodeGrant(config, url, { ...pending, idTokenExpected: true });
  const claims = tokens.claims();
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const next = await client.refreshTokenGrant(config, tokens.refresh_token);
  const before = await client.tokenIntrospection(config, next.access_token);
  await client.tokenRevocation(config, next.refresh_token);
  const after = await client.tokenIntrospection(config, next.access_token);
  return { claims, userinfo, refreshed: next.claims().sub, active: [before.active, after.active] };
}

http
  .createServer(async (request, response) => {
    const url = new URL(request.url, base);
    try {
      if (url.pathname === '/login') {
        response.writeHead(302, { location: (await begin()).href }).end();
      } else {
        response.end(url.pathname === '/callback' ? JSON.stringify(await finish(url)) : 'an application');
      }
    } catch (error) {
      response.writeHead(500).end(`${error}: ${JSON.stringify(error.cause ?? error.error ?? null)}`);
    }
  })
  .listen(Number(port), '127.0.0.1');
