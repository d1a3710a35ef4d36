//! The states that the diagrams show are those that there are, and each is reached.

use serde_json::json;

use super::site::{Site, armed, fact};
use crate::event::SessionFact;
use crate::session::{Session, State, TicketState, Use};

const DRAWN: &str = include_str!("../mod.rs");

/// The words between arrows of the diagram's lines that begin with a word.
fn words(from: &str) -> Vec<String> {
    let mut lines = DRAWN.lines().filter_map(|line| line.strip_prefix("//!"));
    let line = lines.find(|line| line.trim_start().starts_with(from)).expect("the line");
    let drawn = line.trim_start().trim_start_matches(from);
    drawn.split("-->").map(|word| word.trim().to_owned()).collect()
}

fn ticket(session: &Session) -> &'static str {
    match session.ticket.state {
        TicketState::None => "none",
        TicketState::Issued => "issued",
        TicketState::Armed => "armed",
        TicketState::Spent => "spent",
    }
}

#[test]
fn a_ticket_goes_the_way_that_is_drawn() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(1);
    site.ask(0);
    let mut way = vec![ticket(site.session(0))];
    site.leave(1);
    site.made_clean(0);
    site.ask(0);
    way.push(ticket(site.session(0)));
    let session = site.session_id(0);
    site.story.happened(session, SessionFact::DisplayArmed(fact(armed())));
    way.push(ticket(site.session(0)));
    let spent = fact(json!({ "ticket": 1, "cause": "used" }));
    site.story.happened(session, SessionFact::TicketSpent(spent));
    way.push(ticket(site.session(0)));
    site.ask(0);
    way.push(ticket(site.session(0)));
    let drawn = words("its ticket:");
    let drawn: Vec<&str> = drawn.iter().map(|it| it.trim_end_matches(" (the next one)")).collect();
    assert_eq!(way, drawn);
}

#[test]
fn a_use_begins_as_it_is_drawn() {
    let word = |used: Use| match used {
        Use::NotYet => "not yet",
        Use::Begun => "begun",
    };
    assert_eq!(words("its use:"), [word(Use::NotYet), word(Use::Begun)]);
}

#[test]
fn a_session_is_in_the_states_that_are_drawn() {
    let word = |session: &Session| match session.state {
        State::Queued { .. } => "queued",
        State::Leased { .. } => "leased",
    };
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(0);
    site.ask(1);
    let reached = [word(site.session(0)), word(site.session(1))];
    assert_eq!(reached, ["leased", "queued"]);
    for word in reached {
        assert!(DRAWN.contains(&format!("+--> {word} --> (")), "{word} is drawn with its end");
    }
    site.leave(1);
    site.leave(0);
    assert!(
        site.has(0).is_none() && site.has(1).is_none(),
        "(ended) and (left) are not in the fleet"
    );
}
