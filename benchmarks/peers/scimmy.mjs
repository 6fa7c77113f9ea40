// SCIMMY behind Express, over maps in memory. Copied to where its packages are: node scimmy.mjs PORT
import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const keep = (resource) => {
    const kept = new Map();
    const missing = (id) => new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
    SCIMMY.Resources.declare(resource)
        .ingress((asked, data) => {
            if (asked.id && !kept.has(asked.id)) throw missing(asked.id);
            const made = { ...JSON.parse(JSON.stringify(data)), id: asked.id ?? randomUUID() };
            kept.set(made.id, made);
            return made;
        })
        .egress((asked) => {
            if (!asked.id) return asked.filter ? asked.filter.match([...kept.values()]) : [...kept.values()];
            if (!kept.has(asked.id)) throw missing(asked.id);
            return kept.get(asked.id);
        })
        .degress((asked) => kept.delete(asked.id));
};
SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
keep(SCIMMY.Resources.User);
keep(SCIMMY.Resources.Group);

const app = express();
app.use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler: () => "client" }));
app.listen(Number(process.argv[2]), "127.0.0.1");
