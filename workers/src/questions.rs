//! What somebody who waits at a screen asks. Whatever can't be answered is left to their patience.

use std::sync::Arc;

use carrel_bus::Question as Asked;
use carrel_model::contract::Question;

use crate::error::WorkerError;
use crate::limits::ANSWER_BYTES_MAX;
use crate::shared::Shared;

/// Answers one after the other, until it is dropped.
pub(crate) async fn answer(shared: Arc<Shared>) -> Result<(), WorkerError> {
    let mut questions = shared.bus.questions(shared.host).await?;
    loop {
        let asked = questions.next().await?;
        answer_one(&shared, asked).await;
    }
}

async fn answer_one(shared: &Shared, asked: Asked) {
    let Ok(question) = serde_json::from_slice(&asked.message.body) else {
        tracing::warn!(message.id = %asked.message.id, "a question that nobody understands");
        return;
    };
    let answer = match question {
        Question::Screenshot { machine } => {
            shared.lanes.ask(move |driver| driver.screenshot(machine)).await
        }
        Question::Guest { machine } => {
            let said = shared.lanes.ask(move |driver| driver.guest(machine)).await;
            said.map(|guest| serde_json::to_vec(&guest).unwrap_or_default())
        }
        Question::Foreign => {
            let said = shared.lanes.ask(move |driver| driver.foreign()).await;
            said.map(|domains| serde_json::to_vec(&domains).unwrap_or_default())
        }
        Question::Space { ref machines, ref storages } => {
            let (machines, storages) = (machines.clone(), storages.clone());
            let said = shared.lanes.ask(move |driver| driver.taken(&machines, &storages)).await;
            said.map(|taken| serde_json::to_vec(&taken).unwrap_or_default())
        }
    };
    match answer {
        Ok(answer) if answer.len() <= ANSWER_BYTES_MAX => asked.answer(answer),
        Ok(_) => tracing::warn!(?question, "the answer is too long for the bus"),
        Err(error) => tracing::debug!(?question, %error, "there is no answer"),
    }
}
