// Serves scimmy-routers from memory: node server.mjs PORT TOKEN. Base URL: http://127.0.0.1:PORT/scim
// Ends when its standard input does.
import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import Routers from "scimmy-routers";

const [port, token] = process.argv.slice(2);

const store = (unique) => {
    const resources = new Map();
    return {
        ingress: (resource, instance) => {
            const known = resources.get(resource.id);
            if (resource.id && !known) throw new SCIMMY.Types.Error(404, null, "no such resource");
            const data = JSON.parse(JSON.stringify(instance));
            const same = (other) => other.id !== resource.id
                && other[unique]?.toLowerCase() === data[unique]?.toLowerCase();
            if ([...resources.values()].some(same))
                throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
            const id = resource.id ?? randomUUID();
            const now = new Date().toISOString();
            const kept = { ...data, id, meta: { created: known?.meta.created ?? now, lastModified: now } };
            resources.set(id, kept);
            return kept;
        },
        egress: (resource) => {
            if (resource.id) {
                if (!resources.has(resource.id)) throw new SCIMMY.Types.Error(404, null, "no such resource");
                return resources.get(resource.id);
            }
            const all = [...resources.values()];
            return resource.filter ? resource.filter.match(all) : all;
        },
        degress: (resource) => {
            if (!resources.delete(resource.id)) throw new SCIMMY.Types.Error(404, null, "no such resource");
        },
    };
};

SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
SCIMMY.Resources.declare(SCIMMY.Resources.User, store("userName"));
SCIMMY.Resources.declare(SCIMMY.Resources.Group, store("displayName"));

const app = express();
app.use("/scim", new Routers({
    type: "bearer",
    handler: (request) => {
        if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("the token is wrong");
        return "tester";
    },
}));
app.listen(Number(port), "127.0.0.1");
process.stdin.on("end", () => process.exit(0)).resume();
