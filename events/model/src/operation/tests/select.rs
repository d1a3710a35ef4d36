//! Which machines a command is for.

use super::*;
use crate::command::By;
use crate::deciding::Deciding;
use crate::ids::{HypervisorId, PoolId};
use crate::name::Label;
use crate::operation::selection::Selection;
use crate::operation::{LabelSelector, MACHINES_NAMED_MAX};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::text::Text;

const NOTHING: Selection<'static> =
    Selection { machines: &[], children_of: None, pool: None, hypervisor: None, label: None };

fn targets(story: &mut Story, selection: &Selection<'_>) -> Result<Targets, Rejection> {
    let context = story.context();
    selection.targets(&Deciding::new(&story.fleet, "Test", By::Operator, &context))
}

fn code(story: &mut Story, selection: &Selection<'_>) -> &'static str {
    targets(story, selection).expect_err("it is refused").code()
}

fn named(name: &str) -> Ref<MachineId> {
    Ref::new(name).expect("a name")
}

#[test]
fn machines_are_named_by_id_or_name_each_once() {
    let mut story = Story::new();
    let all = machines(&mut story, 2);
    let name = story.fleet.machines.get(all[0]).expect("it is there").name.clone();
    let list = [Ref::Id(all[1]), named(name.as_str()), Ref::Id(all[0])];
    let selected = targets(&mut story, &Selection { machines: &list, ..NOTHING });
    assert_eq!(selected, Ok(Targets::Listed(all)));
    let unknown = [named("nobody")];
    assert_eq!(code(&mut story, &Selection { machines: &unknown, ..NOTHING }), "CRL-0001");
}

#[test]
fn machines_are_selected_in_one_way() {
    let mut story = Story::new();
    let all = machines(&mut story, 1);
    assert_eq!(code(&mut story, &NOTHING), "CRL-0006");
    let label = LabelSelector {
        key: Label::new("room").expect("a label"),
        value: Text::new("b12").expect("a text"),
    };
    let labelled = Selection { label: Some(&label), ..NOTHING };
    assert!(matches!(targets(&mut story, &labelled), Ok(Targets::Label { .. })));
    let initial = Ref::Id(all[0]);
    let children = Selection { children_of: Some(&initial), ..NOTHING };
    assert_eq!(targets(&mut story, &children), Ok(Targets::ChildrenOf(all[0])));
    let both = Selection { label: Some(&label), ..children };
    assert_eq!(code(&mut story, &both), "CRL-0008");
    let pool: Ref<PoolId> = Ref::new("office").expect("a name");
    assert_eq!(code(&mut story, &Selection { pool: Some(&pool), ..NOTHING }), "CRL-0001");
    let host: Ref<HypervisorId> = Ref::new("node1").expect("a name");
    assert_eq!(code(&mut story, &Selection { hypervisor: Some(&host), ..NOTHING }), "CRL-0001");
}

#[test]
fn not_more_machines_are_named_than_a_fact_holds() {
    let mut story = Story::new();
    let machine = machines(&mut story, 1)[0];
    let many = vec![Ref::Id(machine); MACHINES_NAMED_MAX + 1];
    assert_eq!(code(&mut story, &Selection { machines: &many, ..NOTHING }), "CRL-0005");
    let selected = targets(&mut story, &Selection { machines: &many[1..], ..NOTHING });
    assert_eq!(selected, Ok(Targets::Listed(vec![machine])));
}

#[test]
fn what_selects_goes_through_to_the_operation() {
    let mut story = Story::new();
    let all = machines(&mut story, 3);
    let list: Vec<_> = all.iter().map(|machine| Ref::Id(*machine)).collect();
    let mut operation = None;
    story.happens(|deciding| {
        operation = Some(deciding.context.command_id);
        let selection = Selection { machines: &list, ..NOTHING };
        crate::operation::start(deciding, maintenance(), &selection).expect("it is accepted");
    });
    let operation = operation.expect("it was decided");
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [3, 0, 0, 0]));
}
