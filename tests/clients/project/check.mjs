// What HubSpot's own library for projects says of project folders: `node check.mjs PROFILE FOLDER …` prints, for each, the components
// that it understood or its complaint. MODULES is the folder that the library is installed in.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(path.join(process.env.MODULES, "here.js"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { parseProjectConfig } = await load("@hubspot/project-parsing-lib/projects");
const { isTranslationError, translate } = await load("@hubspot/project-parsing-lib/translate");
const { http } = await load("@hubspot/local-dev-lib/http");

// HubSpot's server gives a component's schema to a signed-in account alone: ours stand in its place, and nothing else is asked for.
const schemas = JSON.parse(readFileSync(new URL("schemas.json", import.meta.url), "utf8"));
http.get = async (_account, { url }) => {
  if (!url.startsWith("project-components-external/project-schemas/")) throw new Error(`unexpected call: ${url}`);
  return { data: schemas };
};

async function check(profile, folder) {
  const { srcDir, platformVersion } = parseProjectConfig(folder);
  const projectSourceDir = path.resolve(folder, srcDir);
  const context = { projectSourceDir, platformVersion, accountId: 1 };
  const { intermediateRepresentation, skippedHsMetaFiles } = await translate(context, { profile });
  if (skippedHsMetaFiles.length > 0) throw new Error(`left out, as they lie in no folder of a component: ${skippedHsMetaFiles}`);
  return { components: intermediateRepresentation.intermediateNodesIndexedByUid };
}

const [profile, ...folders] = process.argv.slice(2);
const verdicts = [];
for (const folder of folders) {
  const refused = (error) => ({ error: isTranslationError(error) ? error.toString() : error.message });
  verdicts.push(await check(profile, folder).catch(refused));
}
console.log(JSON.stringify(verdicts));
