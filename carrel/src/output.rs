//! Where output goes: to people on a terminal, or to programs.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    People,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Yellow,
    Green,
}

#[derive(Debug)]
pub(crate) struct Output {
    form: Form,
    out: BufWriter<StdoutLock<'static>>,
    coloured: bool,
    /// Of the terminal, if it is one.
    pub(crate) width: Option<usize>,
}

impl Output {
    #[expect(clippy::disallowed_methods, reason = "this is the composition root")]
    pub(crate) fn new(form: Form) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let size = terminal_size::terminal_size_of(&stdout).filter(|_| terminal);
        Self {
            form,
            out: BufWriter::new(stdout.lock()),
            coloured: terminal && !plain,
            width: size.map(|(width, _)| usize::from(width.0)),
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// One object on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?;
        self.out.write_all(b"\n")
    }

    pub(crate) fn field(&mut self, name: &str, value: impl std::fmt::Display) -> io::Result<()> {
        self.line(&format!("{name:<14} {value}"))
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub(crate) fn coloured(&self, colour: Colour, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Red => 31,
            Colour::Yellow => 33,
            Colour::Green => 32,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A value for programs: JSON, or the YAML that people read more easily.
pub(crate) fn printed(value: &impl Serialize, yaml: bool) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if yaml {
        serde_yaml_ng::to_writer(&mut out, value).map_err(io::Error::other)?;
    } else {
        serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// What a progress bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Bytes,
    Records,
}

/// A bar on the terminal; nothing where there is none.
pub(crate) fn progress_bar(counted: Counted, what: &'static str) -> ProgressBar {
    let template = match counted {
        Counted::Bytes => "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        Counted::Records => "{msg} {bar:30} {human_pos} of {human_len} records, {eta} left",
    };
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    bar.set_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Asks a question that has to be answered with yes. Where nobody can be asked there is no answer.
pub(crate) fn confirmed(question: &str) -> io::Result<Option<bool>> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Ok(None);
    }
    write!(stderr, "{question} [yes/no] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(Some(answer.trim() == "yes"))
}
