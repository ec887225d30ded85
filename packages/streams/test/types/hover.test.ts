import { expect } from "chai";
import { resolve } from "node:path";
import ts from "typescript";

const chains = {
  source: `Source.from([1]).map(String)`,
  longSource: `Source.from([1]).map(String).filter((s) => s !== "").mapAsync(2, async (s) => s.length).grouped(3)`,
  flow: `Flow.of<string>().map(Number)`,
  groups: `Source.from([1]).groupBy(3, (n) => n % 3).map(String).mergeSubstreams()`,
  withMat: `Source.from([1]).viaMat(KillSwitches.single(), Keep.right).map(String)`,
  zipped: `Source.from([1]).zip(Source.from(["a"]))`,
  graph: `Source.from([1]).toMat(Sink.toArray(), Keep.right)`,
  sink: `Flow.of<string>().toMat(Sink.fold(0, (n: number) => n + 1), Keep.right)`,
};

/** What an editor shows over each chain. */
const hovers = (): Readonly<Record<string, string>> => {
  const root = resolve(import.meta.dirname, "../../../..");
  const file = resolve(import.meta.dirname, "hovered.ts");
  const text = [
    `import { Flow, Keep, KillSwitches, Sink, Source } from "@millrace/streams";`,
    ...Object.entries(chains).map(([name, chain]) => `export const ${name} = ${chain};`),
  ].join("\n");
  const read = (path: string): string | undefined => ts.sys.readFile(path);
  const { config } = ts.readConfigFile(resolve(root, "tsconfig.check.json"), read) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [file] }, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const onDisk = ts.createCompilerHost(options);
  host.fileExists = (path) => path === file || onDisk.fileExists(path);
  host.readFile = (path) => (path === file ? text : onDisk.readFile(path));
  host.getSourceFile = (path, ...rest) =>
    path === file ? ts.createSourceFile(path, text, ts.ScriptTarget.ES2022) : onDisk.getSourceFile(path, ...rest);
  const program = ts.createProgram([file], options, host);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (!source || !module) throw new Error("the hovered file was not compiled");
  return Object.fromEntries(
    checker
      .getExportsOfModule(module)
      .map((symbol) => [symbol.name, checker.typeToString(checker.getTypeOfSymbolAtLocation(symbol, source))]),
  );
};

describe("what an editor shows", () => {
  it("is the class and its types, not the machinery behind them", function () {
    this.timeout(60_000);
    expect(hovers()).to.deep.equal({
      source: "Source<string, void>",
      longSource: "Source<readonly number[], void>",
      flow: "Flow<string, number, void>",
      groups: "Source<string, void>",
      withMat: "Source<string, KillSwitch>",
      zipped: "Source<readonly [number, string], void>",
      graph: "RunnableGraph<Promise<number[]>>",
      sink: "Sink<string, Promise<number>>",
    });
  });
});
