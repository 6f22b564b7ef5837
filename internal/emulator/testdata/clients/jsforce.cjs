// What programs built on jsforce ask of an org, with the expectations of somebody who knows the platform.
// usage: node jsforce.cjs   (INSTANCE_URL, ACCESS_TOKEN, REFRESH_TOKEN, CLIENT_ID, CLIENT_SECRET, LOGIN_USER, LOGIN_PASSWORD)
// Prints one line for each step that held or did not; ends with status 1 if one did not.
"use strict";
const assert = require("node:assert/strict");
const jsforce = require("@jsforce/jsforce-node");
const env = process.env;

let conn;
const options = (more) => ({ instanceUrl: env.INSTANCE_URL, loginUrl: env.INSTANCE_URL, version: "65.0", ...more });
const oauth2 = () => ({ loginUrl: env.INSTANCE_URL, clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET });
const names = (n, prefix) => Array.from({ length: n }, (_, i) => ({ Name: `${prefix} ${i}` }));
const csv = (rows) => `Name,Description\n${rows.map((r) => `"${r.Name}","${r.Description}"`).join("\n")}\n`;

const steps = {
  async identity() {
    const user = await conn.identity();
    assert.equal(user.username, env.LOGIN_USER);
    assert.match(user.organization_id, /^00D/);
  },

  async "limits in the header of each reply"() {
    await conn.query("SELECT Id FROM Account LIMIT 1");
    assert.ok(conn.limitInfo.apiUsage.used > 0 && conn.limitInfo.apiUsage.limit > conn.limitInfo.apiUsage.used);
    const limits = await conn.limits();
    assert.ok(limits.DailyApiRequests.Max > 0);
  },

  async describe() {
    const global = await conn.describeGlobal();
    assert.ok(global.sobjects.length > 100);
    const account = await conn.describe("Account");
    const industry = account.fields.find((f) => f.name === "Industry");
    assert.equal(industry.type, "picklist");
    assert.ok(industry.picklistValues.length > 5);
    await assert.rejects(conn.describe("NoSuchObject__c"), { errorCode: "NOT_FOUND" });
  },

  async "one record"() {
    const made = await conn.sobject("Account").create({ Name: "One", NumberOfEmployees: 7 });
    assert.deepEqual([made.success, made.errors], [true, []]);
    const got = await conn.sobject("Account").retrieve(made.id);
    assert.deepEqual([got.Name, got.NumberOfEmployees, got.Industry], ["One", 7, null]);
    await conn.sobject("Account").update({ Id: made.id, Name: "Uno", NumberOfEmployees: null });
    assert.equal((await conn.sobject("Account").retrieve(made.id)).NumberOfEmployees, null);
    await conn.sobject("Account").destroy(made.id);
    await assert.rejects(conn.sobject("Account").retrieve(made.id), { errorCode: "ENTITY_IS_DELETED" });
    await assert.rejects(conn.sobject("Account").create({ Industry: "Energy" }), { errorCode: "REQUIRED_FIELD_MISSING" });
  },

  async "collections of hundreds"() {
    const made = await conn.sobject("Account").create(names(250, "Many"), { allowRecursive: true });
    assert.equal(made.filter((r) => r.success).length, 250);
    const got = await conn.sobject("Account").retrieve(made.slice(0, 40).map((r) => r.id));
    assert.deepEqual(got.map((r) => r.Name), names(40, "Many").map((r) => r.Name));
    const mixed = await conn.sobject("Account").create([{ Name: "Right" }, { Industry: "Energy" }]);
    assert.deepEqual(mixed.map((r) => r.success), [true, false]);
    assert.equal(mixed[1].errors[0].statusCode, "REQUIRED_FIELD_MISSING");
    const changed = await conn.sobject("Account").update(made.slice(0, 200).map((r) => ({ Id: r.id, Site: "S" })));
    assert.ok(changed.every((r) => r.success));
    const gone = await conn.sobject("Account").destroy(made.map((r) => r.id), { allowRecursive: true });
    assert.equal(gone.filter((r) => r.success).length, 250);
    assert.equal((await conn.query("SELECT COUNT() FROM Account WHERE Name LIKE 'Many %'")).totalSize, 0);
  },

  async "upsert"() {
    const made = await conn.sobject("Pricebook2").create({ Name: "By key", IsActive: true });
    const again = await conn.sobject("Pricebook2").upsert({ Id: made.id, Name: "By Id" }, "Id");
    assert.equal(again.success, true);
    assert.equal((await conn.sobject("Pricebook2").retrieve(made.id)).Name, "By Id");
    await conn.sobject("Pricebook2").destroy(made.id);
  },

  async "query, pages and sub-queries"() {
    const made = await conn.sobject("Account").create(names(30, "Page"));
    await conn.sobject("Contact").create([{ LastName: "Child", AccountId: made[0].id }]);
    let page = await conn.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Page %'", { headers: { "Sforce-Query-Options": "batchSize=200" } });
    assert.deepEqual([page.totalSize, page.done, page.records.length], [30, true, 30]);
    const tree = await conn.query(`SELECT Id, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '${made[0].id}'`);
    assert.equal(tree.records[0].Contacts.records[0].LastName, "Child");
    const found = await conn.sobject("Account").find({ Name: { $like: "Page 1%" } }, "Id, Name").sort({ Name: -1 }).limit(3);
    assert.deepEqual(found.map((r) => r.Name), ["Page 19", "Page 18", "Page 17"]);
    const groups = await conn.query("SELECT COUNT(Id) n FROM Account WHERE Name LIKE 'Page %'");
    assert.equal(groups.records[0].n, 30);
    await assert.rejects(conn.query("SELECT Nope FROM Account"), { errorCode: "INVALID_FIELD" });
    await assert.rejects(conn.query("SELECT"), { errorCode: "MALFORMED_QUERY" });
    await conn.sobject("Account").destroy(made.map((r) => r.id));
    const all = await conn.query("SELECT Id FROM Account WHERE Name LIKE 'Page %'", { scanAll: true });
    assert.equal(all.totalSize, 30);
  },

  async "more than one page of a query"() {
    await conn.bulk2.loadAndWaitForResults({ object: "Account", operation: "insert", input: names(4100, "Long") });
    const seen = [];
    await new Promise((done, failed) => {
      conn.query("SELECT Name FROM Account WHERE Name LIKE 'Long %'")
        .on("record", (r) => seen.push(r.Name)).on("end", done).on("error", failed).run({ autoFetch: true, maxFetch: 5000 });
    });
    assert.equal(new Set(seen).size, 4100);
  },

  async "what changed and what was deleted"() {
    const made = await conn.sobject("Account").create({ Name: "Passing" });
    await conn.sobject("Account").destroy(made.id);
    const now = new Date((await conn.query("SELECT SystemModstamp FROM Account ORDER BY SystemModstamp DESC LIMIT 1", { scanAll: true })).records[0].SystemModstamp);
    const from = new Date(now.getTime() - 3600e3), to = new Date(now.getTime() + 120e3);
    const deleted = await conn.sobject("Account").deleted(from, to);
    assert.ok(deleted.deletedRecords.some((r) => r.id === made.id));
    const updated = await conn.sobject("Account").updated(from, to);
    assert.ok(Array.isArray(updated.ids) && updated.latestDateCovered);
  },

  async "Bulk 2.0 load and query"() {
    const rows = [...names(600, "Bulk").map((r) => ({ ...r, Description: "" })), { Name: "", Description: "has no name" }];
    const loaded = await conn.bulk2.loadAndWaitForResults({ object: "Account", operation: "insert", input: csv(rows) });
    assert.deepEqual([loaded.successfulResults.length, loaded.failedResults.length, loaded.unprocessedRecords.length], [600, 1, 0]);
    assert.match(loaded.failedResults[0].sf__Error, /REQUIRED_FIELD_MISSING/);
    const stream = await conn.bulk2.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk %'");
    const got = await stream.toArray();
    assert.equal(got.length, 600);
    const gone = await conn.bulk2.loadAndWaitForResults({ object: "Account", operation: "hardDelete", input: got.map((r) => ({ Id: r.Id })) });
    assert.equal(gone.successfulResults.length, 600);
  },

  async "Bulk 1.0 load and query"() {
    const results = await conn.bulk.load("Account", "insert", names(20, "First"));
    assert.ok(results.every((r) => r.success && r.id));
    const got = await (await conn.bulk.query("SELECT Id, Name FROM Account WHERE Name LIKE 'First %'")).toArray();
    assert.equal(got.length, 20);
    const gone = await conn.bulk.load("Account", "delete", got.map((r) => ({ Id: r.Id })));
    assert.ok(gone.every((r) => r.success));
  },

  async search() {
    const made = await conn.sobject("Account").create({ Name: "Zephyrine Works" });
    const found = await conn.search("FIND {Zephyrine*} IN ALL FIELDS RETURNING Account(Id, Name)");
    assert.deepEqual(found.searchRecords.map((r) => r.Id), [made.id]);
  },

  async "tooling and metadata"() {
    const tooling = await conn.tooling.query("SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName = 'Account'");
    assert.equal(tooling.records[0].QualifiedApiName, "Account");
    const types = await conn.metadata.describe();
    assert.ok(types.metadataObjects.some((t) => t.xmlName === "CustomObject"));
    const listed = await conn.metadata.list([{ type: "CustomObject" }]);
    assert.ok(listed.some((c) => c.fullName === "Account"));
    const asked = await conn.metadata.retrieve({ apiVersion: "65.0", unpackaged: { types: [{ members: ["Account"], name: "CustomObject" }], version: "65.0" } });
    for (let done = false; !done; ) {
      const state = await conn.metadata.checkRetrieveStatus(asked.id);
      done = state.done === true || state.done === "true";
      if (done) assert.equal(state.status, "Succeeded");
      else await new Promise((wake) => setTimeout(wake, 50));
    }
  },

  async "headers of the caller"() {
    const made = await conn.sobject("Account").create({ Name: "With headers" }, { headers: { "Sforce-Duplicate-Rule-Header": "allowSave=true" } });
    assert.equal(made.success, true);
    const reply = await conn.requestPost("/services/data/v65.0/composite", {
      allOrNone: true,
      compositeRequest: [
        { method: "POST", url: "/services/data/v65.0/sobjects/Account", referenceId: "a", body: { Name: "Composed" } },
        { method: "POST", url: "/services/data/v65.0/sobjects/Contact", referenceId: "c", body: { LastName: "Of it", AccountId: "@{a.id}" } },
      ],
    });
    assert.deepEqual(reply.compositeResponse.map((r) => r.httpStatusCode), [201, 201]);
  },

  async "a token that has expired is refreshed"() {
    const stale = new jsforce.Connection(options({ oauth2: oauth2(), accessToken: "00D000000000000!expired", refreshToken: env.REFRESH_TOKEN }));
    assert.equal((await stale.query("SELECT Id FROM Organization")).totalSize, 1);
  },

  async "SOAP login"() {
    const other = new jsforce.Connection({ loginUrl: env.INSTANCE_URL, version: "50.0" });
    const user = await other.login(env.LOGIN_USER, env.LOGIN_PASSWORD);
    assert.match(user.id, /^005/);
    assert.equal((await other.query("SELECT Id FROM Organization")).totalSize, 1);
    await other.logout();
    await assert.rejects(new jsforce.Connection({ loginUrl: env.INSTANCE_URL, version: "50.0" }).login(env.LOGIN_USER, "wrong"), /INVALID_LOGIN/);
  },
};

(async () => {
  conn = new jsforce.Connection(options({ accessToken: env.ACCESS_TOKEN }));
  conn.bulk.pollInterval = conn.bulk2.pollInterval = 50;
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
      console.log(`ok ${name}`);
    } catch (err) {
      console.log(`not ok ${name}: ${err.errorCode ?? ""} ${err.stack ?? err}`);
      process.exitCode = 1;
    }
  }
})();
