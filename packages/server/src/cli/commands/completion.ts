/**
 * `holdfast completion SHELL`: a script for the shell. Generates it from the commands themselves,
 * so that it is never out of date. The script is static: pressing Tab starts no process.
 */
import type { Command } from "commander";
import { CodedError } from "../../core/errors.ts";
import { loadCatalog } from "../connectors/catalog.ts";
import { printResult } from "../terminal/output.ts";

interface Word {
  readonly text: string;
  readonly description: string;
}

/** A command or group, and the words that can follow it. */
interface Place {
  /** Without the program's name: `connectors push`. */
  readonly path: string;
  readonly words: readonly Word[];
}

const SHELLS: Readonly<Record<string, (places: readonly Place[]) => string>> = { bash, zsh, fish };
const INSTALL: Readonly<Record<string, string>> = {
  bash: 'eval "$(holdfast completion bash)"   in ~/.bashrc',
  zsh: 'eval "$(holdfast completion zsh)"   in ~/.zshrc, after compinit',
  fish: "holdfast completion fish > ~/.config/fish/completions/holdfast.fish",
};

export function completionCommand(program: Command): void {
  program
    .command("completion <shell>")
    .description("print a script that completes commands, options and service names, for bash, zsh or fish")
    .addHelpText(
      "after",
      `\nTo install it:\n${Object.values(INSTALL)
        .map((line) => `  ${line}`)
        .join("\n")}`,
    )
    .action((shell: string, flags: { readonly json?: boolean }) => complete(program, shell, flags));
}

async function complete(program: Command, shell: string, flags: { readonly json?: boolean }): Promise<void> {
  const generate = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
  if (generate === undefined) {
    const message = `There are scripts for bash, zsh and fish, not for "${shell.slice(0, 32)}".`;
    throw new CodedError("usage", { message });
  }
  const services = (await loadCatalog()).all();
  const names = services.map(({ id, display_name }) => ({ text: id, description: display_name }));
  const script = generate(placesOf(program, "", names));
  printResult(flags, { shell, script, install: INSTALL[shell] }, script);
}

function placesOf(command: Command, path: string, services: readonly Word[]): readonly Place[] {
  const children = command.commands.map((child) => ({ text: child.name(), description: child.description() }));
  const options = command.options.flatMap(({ long, description }) =>
    long === undefined ? [] : [{ text: long, description }],
  );
  const takes_service = command.registeredArguments.some((argument) => /^types?$/.test(argument.name()));
  const place = { path, words: [...children, ...(takes_service ? services : []), ...options, HELP] };
  const below = command.commands.flatMap((child) =>
    placesOf(child, path === "" ? child.name() : `${path} ${child.name()}`, services),
  );
  return [place, ...below];
}

const HELP: Word = { text: "--help", description: "show help" };
/**
 * Quotes for the shell. Nothing is special between single quotes. Quotes in the text are dropped:
 * they occur in descriptions only.
 */
const quoted = (text: string): string => `'${text.replaceAll("'", "")}'`;
const wordsOf = ({ words }: Place): string => words.map(({ text }) => text).join(" ");

/**
 * Returns a shell `case` that collects the path. Skips options and their values: only words that
 * continue a known path count.
 */
function walk(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => quoted(path));
  return `    case "$place\${place:+ }$word" in\n      ${known.join("|")}) place="$place\${place:+ }$word" ;;\n    esac`;
}

function bash(places: readonly Place[]): string {
  const cases = places.map((place) => `    ${quoted(place.path)}) words=${quoted(wordsOf(place))} ;;`);
  return `_holdfast() {
  local place="" word words="" current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${walk(places)}
  done
  case "$place" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _holdfast holdfast`;
}

function zsh(places: readonly Place[]): string {
  const entry = ({ text, description }: Word): string => quoted(`${text}:${description.replaceAll(":", " -")}`);
  const cases = places.map(
    (place) => `    ${quoted(place.path)}) words_here=(\n      ${place.words.map(entry).join("\n      ")}\n    ) ;;`,
  );
  return `#compdef holdfast
_holdfast() {
  local place="" word
  local -a words_here
  for word in "\${(@)words[2,CURRENT-1]}"; do
${walk(places)}
  done
  case "$place" in
${cases.join("\n")}
  esac
  _describe 'holdfast' words_here || _files
}
compdef _holdfast holdfast`;
}

function fish(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => quoted(path));
  const lines = places.flatMap((place) =>
    place.words.map(
      ({ text, description }) =>
        `complete -c holdfast -n ${quoted(`test (__holdfast_place) = "${place.path}"`)} -a ${quoted(text)} -d ${quoted(description)}`,
    ),
  );
  return `function __holdfast_place
  set -l place ""
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$place $word")
    switch "$next"
      case ${known.join(" ")}
        set place $next
    end
  end
  echo $place
end
complete -c holdfast -e
${lines.join("\n")}`;
}
