//! Descriptions of the command line: shell completions and the manual page.

use std::fmt::Write;

use clap_complete::Shell;

use super::settings::{Secrets, command_with};
use crate::config::variable::VARIABLES;
use crate::outcome::EXIT_CODES;

const NAME: &str = "cauldron-frappe";

/// The completion script of a shell: `source <(cauldron-frappe completions bash)`.
pub fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    // clap_complete offers hidden flags as well, so the flags of secrets are left out.
    clap_complete::generate(shell, &mut command_with(VARIABLES, Secrets::AsFilesOnly), NAME, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The manual page, in roff: `cauldron-frappe man | man -l -`.
pub fn manual() -> String {
    // Settings have their own section, under the names of their environment variables.
    let page = clap_mangen::Man::new(command_with(&[], Secrets::AsFilesOnly)).section("1");
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = page.render(&mut text);
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(
        ".SH ENVIRONMENT\nEach variable is also a flag (\\-\\-db\\-host). NAME_FILE names a file with the value.\n",
    );
    for variable in VARIABLES {
        let _ = write!(
            text,
            ".TP\n\\fB{}\\fR [{}]\n{}\n",
            variable.name,
            escape(variable.default),
            escape(&variable.description())
        );
    }
    text.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in EXIT_CODES {
        let _ = write!(text, ".TP\n\\fB{code}\\fR\n{}\n", escape(meaning));
    }
    text
}

/// Escapes what roff interprets: a backslash, a dash, and a dot at the beginning of a line.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = completions(shell);
            for subcommand in command().get_subcommands() {
                assert!(text.contains(subcommand.get_name()), "{shell}: {}", subcommand.get_name());
            }
            // Every user can read argv, so no shell offers the flag of a secret.
            assert!(text.contains("db-password-file"), "{shell}");
            let offers = |word: &str| text.split([' ', '"', '\'', '[', '\n']).any(|part| part == word);
            assert!(!offers("--db-password"), "{shell}");
        }
    }

    #[test]
    fn the_manual_has_every_command_variable_and_exit_code() {
        let text = manual();
        for subcommand in command().get_subcommands() {
            let name = subcommand.get_name().replace('-', "\\-");
            assert!(text.contains(&format!("cauldron\\-frappe\\-{name}(1)")), "{name}");
        }
        for variable in VARIABLES {
            assert!(text.contains(&format!("\\fB{}\\fR", variable.name)), "{}", variable.name);
        }
        for (code, _) in EXIT_CODES {
            assert!(text.contains(&format!("\\fB{code}\\fR")), "{code}");
        }
    }
}
