//! `completion`: the completion script of a shell.

use clap::Args;
use clap_complete::Shell;

use super::console::Console;
use super::{Outcome, SUCCESS};

/// The options of `completion`.
#[derive(Debug, Args)]
#[command(after_help = "bash:  runwright completion bash > ~/.local/share/bash-completion/completions/runwright\n\
    zsh:   runwright completion zsh > \"${fpath[1]}/_runwright\"\n\
    fish:  runwright completion fish > ~/.config/fish/completions/runwright.fish")]
pub struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub fn execute(self, command: &mut clap::Command, console: &mut Console) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "runwright", &mut script);
        console.line(String::from_utf8_lossy(&script).trim_end())?;
        Ok(SUCCESS)
    }
}
