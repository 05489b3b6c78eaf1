// A SCIM server made with scimmy and scimmy-routers as their documentation
// shows, over a store with an index for the user name: the same store as
// elimitytest has, in its language. It prints its address when it listens, and
// ends when its input does, so that it does not outlive who started it.
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const byID = new Map();
const byName = new Map(); // folded user name to id
let next = 0;

const fold = (name) => name?.toLowerCase();

function find(id) {
    const user = byID.get(id);
    if (!user) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
    return user;
}

SCIMMY.Resources.declare(SCIMMY.Resources.User)
    .extend(SCIMMY.Schemas.EnterpriseUser, false)
    .ingress((resource, instance) => {
        const before = resource.id && find(resource.id);
        const id = resource.id ?? String(++next).padStart(8, "0");
        const name = fold(instance.userName);
        if (byName.has(name) && byName.get(name) !== id) {
            throw new SCIMMY.Types.Error(409, "uniqueness", "userName is taken");
        }
        const now = new Date().toISOString();
        const user = {...instance, id, meta: {created: before?.meta.created ?? now, lastModified: now}};
        if (before) byName.delete(fold(before.userName));
        byName.set(name, id);
        byID.set(id, user);
        return user;
    })
    .egress((resource) => {
        if (resource.id) return find(resource.id);
        // The handler is given the filter; one for a user name goes by the index.
        const [operator, name] = resource.filter?.length === 1 && resource.filter[0].userName || [];
        if (operator === "eq" && Object.keys(resource.filter[0]).length === 1) {
            const id = byName.get(fold(name));
            return id ? [byID.get(id)] : [];
        }
        const users = [...byID.values()];
        return resource.filter ? resource.filter.match(users) : users;
    })
    .degress((resource) => {
        byName.delete(fold(find(resource.id).userName));
        byID.delete(resource.id);
    });

const groups = new Map();

SCIMMY.Resources.declare(SCIMMY.Resources.Group)
    .ingress((resource, instance) => {
        const id = resource.id ?? "g" + (groups.size + 1);
        const now = new Date().toISOString();
        const group = {...instance, id, meta: {created: groups.get(id)?.meta.created ?? now, lastModified: now}};
        groups.set(id, group);
        return group;
    })
    .egress((resource) => {
        if (!resource.id) return [...groups.values()];
        if (!groups.has(resource.id)) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
        return groups.get(resource.id);
    })
    .degress((resource) => groups.delete(resource.id));

const app = express();
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
        if (request.header("Authorization") !== `Bearer ${process.env.TOKEN}`) throw new Error("unknown token");
        return "bench";
    },
}));
const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/scim`));
process.stdin.on("end", () => process.exit()).resume();
