//! What was found out, for people and for programs.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::figures::{Bound, Goal};
use crate::{Failure, say};

/// One table of the report.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// What has to be known to read it.
    pub(crate) notes: Vec<String>,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// All that one row of the load test found out.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) tables: Vec<Table>,
    pub(crate) goals: Vec<Goal>,
    /// The same figures, not rounded.
    pub(crate) figures: Value,
}

/// How often it is measured, and where the figures go.
#[derive(Debug, clap::Args)]
pub(crate) struct Given {
    /// How often each contestant has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) rounds: u16,
    /// Prints only what docs/performance.md holds
    #[arg(long)]
    markdown: bool,
    /// Writes the figures here, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Prints what was found out, and says how many goals were missed.
pub(crate) fn finish(machine: &str, sections: &[Section], given: &Given) -> Result<(), Failure> {
    if let Some(file) = &given.json {
        fs::write(file, serde_json::to_string_pretty(&json(machine, sections))?)?;
    }
    print(&text(machine, sections));
    if !given.markdown {
        let goals = sections.iter().flat_map(|section| &section.goals);
        say(&format!("{} goals missed", goals.filter(|goal| !goal.is_met()).count()));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the result that was asked for")]
pub(crate) fn print(text: &str) {
    print!("{text}");
}

/// In Markdown, which people can read as it is.
fn text(machine: &str, sections: &[Section]) -> String {
    let mut out = String::new();
    let goals: Vec<&Goal> = sections.iter().flat_map(|section| &section.goals).collect();
    let _ = writeln!(out, "Machine: {machine}.\n");
    put_table(&mut out, &goals_table(&goals));
    for table in sections.iter().flat_map(|section| &section.tables) {
        out.push('\n');
        put_table(&mut out, table);
    }
    out
}

fn json(machine: &str, sections: &[Section]) -> Value {
    let goal = |goal: &Goal| {
        let (bound, value) = match goal.bound {
            Bound::AtLeast(least) => ("at least", least),
            Bound::AtMost(most) => ("at most", most),
        };
        json!({
            "what": goal.what, "figure": goal.figure, "unit": goal.unit,
            "bound": bound, "goal": value, "met": goal.is_met(),
        })
    };
    let section = |section: &Section| {
        json!({
            "name": section.name,
            "goals": section.goals.iter().map(goal).collect::<Vec<_>>(),
            "figures": section.figures,
        })
    };
    json!({ "machine": machine, "rows": sections.iter().map(section).collect::<Vec<_>>() })
}

fn goals_table(goals: &[&Goal]) -> Table {
    let row = |goal: &&Goal| {
        let (bound, value) = match goal.bound {
            Bound::AtLeast(least) => ('≥', least),
            Bound::AtMost(most) => ('≤', most),
        };
        vec![
            goal.what.clone(),
            quantity(goal.figure, goal.unit),
            format!("{bound} {}", quantity(value, goal.unit)),
            String::from(if goal.is_met() { "met" } else { "**missed**" }),
        ]
    };
    Table {
        title: String::from("Goals"),
        notes: Vec::new(),
        columns: vec!["what", "figure", "goal", ""],
        rows: goals.iter().map(row).collect(),
    }
}

fn put_table(out: &mut String, table: &Table) {
    let _ = writeln!(out, "### {}\n", table.title);
    for note in &table.notes {
        let _ = writeln!(out, "{note}");
    }
    if !table.notes.is_empty() {
        out.push('\n');
    }
    let width = |column: usize| {
        let cells = table.rows.iter().map(|row| row[column].chars().count());
        cells.chain([table.columns[column].chars().count(), 3]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let titles: Vec<String> = table.columns.iter().map(|title| String::from(*title)).collect();
    put_row(out, &widths, &titles);
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    put_row(out, &widths, &rules);
    for row in &table.rows {
        put_row(out, &widths, row);
    }
}

fn put_row(out: &mut String, widths: &[usize], cells: &[String]) {
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(out, "| {cell:<width$} ");
    }
    out.push_str("|\n");
}

/// A figure with its unit, with as many digits as mean something.
pub(crate) fn quantity(figure: f64, unit: &str) -> String {
    let number = number(figure);
    match unit {
        "" | "x" => format!("{number}{unit}"),
        _ => format!("{number} {unit}"),
    }
}

/// Three significant digits, and thousands apart.
pub(crate) fn number(figure: f64) -> String {
    if figure.is_nan() {
        return String::from("?");
    }
    let digits = match figure.abs() {
        below if below < 10.0 => 2,
        below if below < 100.0 => 1,
        _ => 0,
    };
    let plain = format!("{figure:.digits$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (nth, digit) in whole.chars().enumerate() {
        if nth > 0 && (whole.len() - nth).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let written = [(0.934, "0.93"), (12.34, "12.3"), (107_344.6, "107,345"), (f64::NAN, "?")];
        for (figure, text) in written {
            assert_eq!(number(figure), text);
        }
    }

    #[test]
    fn a_table_is_aligned_markdown() {
        let table = Table {
            title: String::from("Stores"),
            notes: Vec::new(),
            columns: vec!["store", "events/s"],
            rows: vec![vec![String::from("a bare loop"), String::from("12")]],
        };
        let mut out = String::new();
        put_table(&mut out, &table);
        let expected = "### Stores\n\n\
                        | store       | events/s |\n\
                        | ----------- | -------- |\n\
                        | a bare loop | 12       |\n";
        assert_eq!(out, expected);
    }
}
