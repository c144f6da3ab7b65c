//! Finds the lines of a failed program's output that state the reason: the exception's line of a Python traceback, or
//! the error of node, yarn, npm, vite, rollup, esbuild or the shell. The lines after them (frames, the failure of a
//! wrapper, the path of a log) do not help.

/// The limit of lines that a message quotes.
const MAX_LINES: usize = 3;
/// The number of lines to quote if none is known to state the reason.
const LAST_LINES: usize = 6;

/// The reason in one line. The lines must be unchanged: their indentation counts.
pub fn reason(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| without_colours(line)).collect();
    python_exception(&lines).or_else(|| tool_error(&lines)).unwrap_or_else(|| last_lines(&lines))
}

fn last_lines(lines: &[String]) -> String {
    let all: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let useful: Vec<&str> = all.iter().copied().filter(|line| !is_noise(line)).collect();
    let lines = if useful.is_empty() { all } else { useful };
    lines[lines.len().saturating_sub(LAST_LINES)..].join(" / ")
}

/// The exception of the last traceback: the first line after its frames, with its continuation lines.
fn python_exception(lines: &[String]) -> Option<String> {
    let is_frame = |line: &str| line.trim_start().starts_with("File \"") && line.contains(", line ");
    let last_frame = lines.iter().rposition(|line| is_frame(line))?;
    let indent = indent_of(&lines[last_frame]);
    let exception =
        last_frame + 1 + lines[last_frame + 1..].iter().position(|line| indent_of(line) < indent)?;
    let is_continued = |line: &&String| {
        let text = line.trim();
        !text.is_empty()
            && !text.starts_with("During handling of")
            && !text.starts_with("The above exception")
    };
    let own: Vec<&str> =
        lines[exception..].iter().take_while(is_continued).take(MAX_LINES).map(|line| line.trim()).collect();
    (!own.is_empty()).then(|| own.join(" / "))
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The first errors of a node tool; an out-of-memory error has priority.
fn tool_error(lines: &[String]) -> Option<String> {
    let errors: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| is_error(line)).collect();
    if let Some(fatal) = errors.iter().find(|line| line.contains("FATAL ERROR")) {
        return Some((*fatal).to_string());
    }
    let mut first: Vec<&str> = Vec::new();
    for line in errors {
        if !first.contains(&line) && first.len() < MAX_LINES {
            first.push(line);
        }
    }
    (!first.is_empty()).then(|| first.join(" / "))
}

/// True for a line that states an error.
fn is_error(line: &str) -> bool {
    const PREFIXES: [&str; 7] =
        ["error ", "npm ERR! ", "npm error ", "FATAL ERROR", "[vite]", "[commonjs", "✘ "];
    const PHRASES: [&str; 8] = [
        "[ERROR]",
        ": error",
        "Could not resolve",
        "Cannot find module",
        "ENOENT",
        "ENOSPC",
        "EACCES",
        ": not found",
    ];
    !is_noise(line)
        && (PREFIXES.iter().any(|word| line.starts_with(word))
            || PHRASES.iter().any(|word| line.contains(word))
            || names_exception(line))
}

/// True for `TypeError: x`, `RollupError: y`, `Error [ERR_MODULE_NOT_FOUND]: z`.
fn names_exception(line: &str) -> bool {
    let Some((name, _)) = line.split_once(": ") else { return false };
    let name = name.split(" [").next().unwrap_or_default();
    let name = name.strip_prefix("Uncaught ").unwrap_or(name);
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c));
    is_word && (name.ends_with("Error") || name.ends_with("Exception"))
}

/// True for frames, for wrappers that only repeat that something failed, and for advice.
fn is_noise(line: &str) -> bool {
    const PREFIXES: [&str; 20] = [
        "error during build:",
        "Node.js v",
        "warning ",
        "info ",
        "Error: Command failed",
        "error Command failed",
        "error An unexpected error occurred: \"Command failed",
        "npm ERR! A complete log",
        "npm error A complete log",
        "npm warn",
        "npm WARN",
        "status:",
        "signal:",
        "output:",
        "pid:",
        "stdout:",
        "stderr:",
        "Done in ",
        "$ ",
        "yarn run v",
    ];
    let is_frame = line.starts_with("at ") && line.contains(':');
    is_frame || matches!(line, "{" | "}" | "}," | "]") || PREFIXES.iter().any(|word| line.starts_with(word))
}

/// The line without colour codes, which some programs always write.
fn without_colours(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.strip_prefix('[').and_then(|rest| rest.find(|c: char| c.is_ascii_alphabetic()));
        text.push_str(end.map_or(part, |end| &part[end + 2..]));
    }
    text
}

#[cfg(test)]
mod tests;
