//! The shell around the service: takes requests off the mailbox and answers each in a task of its
//! own, so that the mailbox is never held across I/O.

use std::sync::Arc;

use actor_runtime::{
    faults,
    mailroom::{Answers, Letter},
};
use contracts::analytics::AnalyticsMailbox;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::service::Service;

/// The analytics group's front.
pub(crate) struct AnalyticsActor;

/// The service, and where its answers come from.
pub(crate) struct State {
    service: Arc<Service>,
    answers: Answers<AnalyticsMailbox>,
}

impl Actor for AnalyticsActor {
    type Msg = Letter<AnalyticsMailbox>;
    type State = State;
    type Arguments = Arc<Service>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        service: Arc<Service>,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { service, answers: Answers::of(myself) })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        State { service, answers }: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some((message, ticket)) = letter.open()? else { return Ok(()) };
        faults::point("analytics.handle");
        let (service, call) = (Arc::clone(service), ticket.call.clone());
        match message {
            AnalyticsMailbox::ListPredictions(request, reply) => {
                let work = async move { service.list_predictions(&call, request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::GeneratePrediction(request, reply) => {
                let work = async move { service.generate_prediction(&call, request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::GetInsights(request, reply) => {
                let work = async move { service.get_insights(&call, request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::ListCycleAnalytics(request, reply) => {
                let work = async move { service.list_cycle_analytics(&call, request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::GetCalendar(request, reply) => {
                let work = async move { service.get_calendar(&call, request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::ListQuestions(request, reply) => {
                let work = async move { service.list_questions(&call, request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::AnswerQuestion(request, reply) => {
                let work = async move { service.answer_question(&call, request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::GetActivePrediction(request, reply) => {
                let work = async move { service.get_active_prediction(request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::ListPredictionsChanged(request, reply) => {
                let work = async move { service.list_predictions_changed(request).await };
                answers.spawn(ticket, reply, work);
            }
            AnalyticsMailbox::CheckAnalytics(_, reply) => {
                let work = async move { Ok(service.check().await) };
                answers.spawn(ticket, reply, work);
            }
        }
        Ok(())
    }
}
