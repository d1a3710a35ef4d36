//! The last facts of a run, and what else happened meanwhile, for whoever has to find out why it
//! went wrong.

use std::cell::RefCell;
use std::collections::VecDeque;

use carrel_model::record::Record;

/// So many lines are told.
const LINES_MAX: usize = 120;
/// A fact's data is cut after so many letters.
const DATA_MAX: usize = 300;

#[derive(Debug)]
enum Line {
    Fact(Record),
    Else(String),
}

#[derive(Debug, Default)]
struct Trace {
    lines: VecDeque<Line>,
    /// Everything is printed as it comes.
    prints: bool,
}

thread_local! {
    // A run has one thread of its own.
    static TRACE: RefCell<Trace> = RefCell::default();
}

pub(crate) fn begins(prints: bool) {
    TRACE.with_borrow_mut(|trace| *trace = Trace { lines: VecDeque::new(), prints });
}

pub(crate) fn line(line: String) {
    add(Line::Else(line));
}

pub(crate) fn note(record: &Record) {
    add(Line::Fact(record.clone()));
}

#[expect(clippy::print_stdout, reason = "somebody has asked for it")]
fn add(line: Line) {
    TRACE.with_borrow_mut(|trace| {
        if trace.prints {
            println!("{}", text(&line));
        }
        if trace.lines.len() == LINES_MAX {
            trace.lines.pop_front();
        }
        trace.lines.push_back(line);
    });
}

fn text(line: &Line) -> String {
    let record = match line {
        Line::Fact(record) => record,
        Line::Else(text) => return format!("        {text}"),
    };
    let data = String::from_utf8_lossy(&record.data);
    let data: String = data.chars().take(DATA_MAX).collect();
    let (position, kind, stream) = (record.position, &record.kind, &record.stream.id);
    let at = record.unit.origin.at;
    format!("{position} {at} {kind} {stream} {data}")
}

/// What was noted last.
pub(crate) fn told() -> String {
    TRACE.with_borrow(|trace| trace.lines.iter().map(|line| text(line) + "\n").collect())
}
