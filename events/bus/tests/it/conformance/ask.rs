//! Questions that are worth nothing later.

use std::time::Duration;

use carrel_bus::AskError;

use super::{Adapter, HOST, OTHER, message};

const LONG: Duration = Duration::from_secs(30);

pub(crate) async fn a_question_is_answered<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut questions = bus.questions(HOST).await.expect("questions");
    let answers = async {
        let question = questions.next().await.expect("a question");
        assert_eq!(question.message, message(1));
        question.answer("a picture");
    };
    let (answer, ()) = tokio::join!(bus.ask(HOST, message(1), LONG), answers);
    assert_eq!(answer.expect("an answer"), "a picture");
}

pub(crate) async fn a_host_that_is_not_there_can_not_be_asked<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let questions = bus.questions(HOST).await.expect("questions");
    assert_eq!(bus.ask(OTHER, message(1), LONG).await, Err(AskError::NobodyThere));
    drop(questions);
    assert_eq!(bus.ask(HOST, message(1), LONG).await, Err(AskError::NobodyThere));
}

pub(crate) async fn a_host_that_does_not_answer_is_waited_for_no_longer_than_said<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let _questions = bus.questions(HOST).await.expect("questions");
    let answer = bus.ask(HOST, message(1), Duration::from_millis(1)).await;
    assert_eq!(answer, Err(AskError::Late));
}

pub(crate) async fn who_began_to_answer_last_is_asked<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let _before = bus.questions(HOST).await.expect("questions");
    let mut now = bus.questions(HOST).await.expect("questions");
    let answers = async { now.next().await.expect("a question").answer("here") };
    let (answer, ()) = tokio::join!(bus.ask(HOST, message(1), LONG), answers);
    assert_eq!(answer.expect("an answer"), "here");
}
