//! Exports are streamed: what is broken off never passes for a whole.

use std::sync::{Arc, Mutex};

use api::{ApiOptions, Groups, Verifier, app};
use chrono::{DateTime, Utc};
use contracts::{
    Call, CycleId, Handle, Refusal, ReplyPort, UserId, Version,
    analytics::{
        AnalyticsMailbox, CycleAnalyticsList, Insights, PredictionList, Regularity, Statistics,
    },
    cycles::{CyclesExport, CyclesMailbox, ExportCursor, ExportedCycle, ExportedRows, Retention},
    handle::{Opened, Transport},
    notifications::{NotificationList, NotificationsMailbox, Preferences, PreferencesView},
    users::{AccountExport, AuditPage, User, UsersMailbox},
};
use futures::{
    FutureExt,
    future::{self, BoxFuture},
};
use poem::{Endpoint, Request, http::StatusCode};
use serde_json::Value;

use crate::support::{Api, KeyHolder, Signer};

const VERSION: Version = Version::new(7);

/// What the second page of cycles is.
#[derive(Clone, Copy, PartialEq)]
enum SecondPage {
    Good,
    Away,
    OfAnotherVersion,
}

/// All groups, with a cycle on each of two pages.
struct Scripted {
    keys: Arc<KeyHolder>,
    second_page: SecondPage,
    asked: Mutex<Vec<&'static str>>,
}

fn time() -> DateTime<Utc> {
    "2026-03-02T07:00:00Z".parse().expect("a time")
}

fn answered<T>(port: ReplyPort<T>, answer: T) -> BoxFuture<'static, Result<Opened, Refusal>> {
    port.answer(Ok(answer));
    let opened = Opened::default();
    opened.mark();
    Box::pin(future::ready(Ok(opened)))
}

fn away() -> BoxFuture<'static, Result<Opened, Refusal>> {
    Box::pin(future::ready(Err(Refusal::unavailable())))
}

impl Transport<UsersMailbox> for Scripted {
    fn deliver(&self, call: Call, message: UsersMailbox) -> BoxFuture<'_, Result<Opened, Refusal>> {
        let (request, port) = match message {
            UsersMailbox::ExportAccount(request, port) => (request, port),
            UsersMailbox::ListAudit(_, port) => {
                return answered(port, AuditPage { entries: Vec::new(), next: None });
            }
            message => return self.keys.deliver(call, message),
        };
        let user = User {
            id: request.user_id,
            email: "ada@example.org".to_owned(),
            username: "ada".to_owned(),
            first_name: None,
            last_name: None,
            date_of_birth: None,
            created_at: time(),
            is_active: true,
        };
        let export = AccountExport {
            exported_at: time(),
            user,
            updated_at: time(),
            sessions: Vec::new(),
            api_tokens: Vec::new(),
            second_factor: None,
            requests: Vec::new(),
        };
        answered(port, export)
    }
}

fn cycle(start: &str) -> ExportedCycle {
    ExportedCycle {
        id: CycleId::new(1),
        start_date: start.parse().expect("a date"),
        end_date: None,
        cycle_length: None,
        period_length: None,
        excluded: false,
        gap_answer: None,
        created_at: time(),
        updated_at: time(),
    }
}

impl Transport<CyclesMailbox> for Scripted {
    fn deliver(&self, _: Call, message: CyclesMailbox) -> BoxFuture<'_, Result<Opened, Refusal>> {
        let (request, port) = match message {
            CyclesMailbox::ExportCycles(request, port) => (request, port),
            CyclesMailbox::GetRetention(_, port) => {
                return answered(port, Retention { months: None, forget_before: None });
            }
            _ => return away(),
        };
        let first = "2026-01-01".parse().expect("a date");
        let mut version = VERSION;
        let (rows, next) = match request.after {
            ExportCursor::Cycles(None) => {
                let next = ExportCursor::Cycles(Some(first));
                (ExportedRows::Cycles(vec![cycle("2026-01-01")]), Some(next))
            }
            ExportCursor::Cycles(Some(_)) => {
                self.asked.lock().expect("unpoisoned").push("second");
                match self.second_page {
                    SecondPage::Away => return away(),
                    SecondPage::OfAnotherVersion => version = Version::new(8),
                    SecondPage::Good => {}
                }
                (ExportedRows::Cycles(vec![cycle("2026-02-01")]), None)
            }
            ExportCursor::Symptoms(_) => (ExportedRows::Symptoms(Vec::new()), None),
            ExportCursor::Episodes(_) => (ExportedRows::Episodes(Vec::new()), None),
        };
        answered(port, CyclesExport { version, rows, next })
    }
}

impl Transport<AnalyticsMailbox> for Scripted {
    fn deliver(
        &self,
        _: Call,
        message: AnalyticsMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        match message {
            AnalyticsMailbox::GetInsights(_, port) => {
                let statistics = Statistics {
                    total_cycles_tracked: 2,
                    average_cycle_length: Some(31.0),
                    average_period_length: None,
                    cycle_regularity: Regularity::Unknown,
                };
                let insights = Insights {
                    insights: Vec::new(),
                    statistics,
                    forecast_record: None,
                    symptom_patterns: Vec::new(),
                    as_of_version: VERSION,
                };
                answered(port, insights)
            }
            AnalyticsMailbox::ListPredictions(_, port) => {
                let list = PredictionList {
                    predictions: Vec::new(),
                    total: 0,
                    no_prediction: None,
                    as_of_version: VERSION,
                };
                answered(port, list)
            }
            AnalyticsMailbox::ListCycleAnalytics(_, port) => {
                let analytics = Vec::new();
                let list = CycleAnalyticsList { analytics, total: 0, as_of_version: VERSION };
                answered(port, list)
            }
            _ => away(),
        }
    }
}

impl Transport<NotificationsMailbox> for Scripted {
    fn deliver(
        &self,
        _: Call,
        message: NotificationsMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        match message {
            NotificationsMailbox::GetPreferences(_, port) => {
                let preferences = Preferences {
                    id: 7,
                    user_id: UserId::new(7),
                    period_reminder_enabled: true,
                    reminder_days_before: 3,
                    email_enabled: true,
                    push_enabled: false,
                    created_at: time(),
                    updated_at: time(),
                };
                answered(port, PreferencesView { preferences, as_of_version: VERSION })
            }
            NotificationsMailbox::ListNotifications(_, port) => {
                let notifications = Vec::new();
                answered(port, NotificationList { notifications, total: 0, as_of_version: VERSION })
            }
            _ => away(),
        }
    }
}

/// The status of an export, and its text if it came as a whole.
async fn export(path: &str, second_page: SecondPage) -> (StatusCode, Option<String>) {
    let api = Api::new();
    let keys = Arc::clone(&api.users);
    let scripted = Arc::new(Scripted { keys, second_page, asked: Mutex::default() });
    let groups = Groups {
        users: Handle::new(Arc::clone(&scripted) as Arc<dyn Transport<_>>),
        cycles: Handle::new(Arc::clone(&scripted) as Arc<dyn Transport<_>>),
        analytics: Handle::new(Arc::clone(&scripted) as Arc<dyn Transport<_>>),
        notifications: Handle::new(Arc::clone(&scripted) as Arc<dyn Transport<_>>),
    };
    let verifier = Arc::new(Verifier::new(groups.users.clone()));
    let endpoint = app(&groups, verifier, ApiOptions::default());
    let token = api.signer.token(&Signer::claims());
    let request = Request::builder()
        .uri(path.parse().expect("a path"))
        .header("authorization", format!("Bearer {token}"))
        .finish();
    let response = endpoint.call(request).await.expect("an answer");
    let status = response.status();
    // The first bytes leave before the second page is asked for.
    assert!(scripted.asked.lock().expect("unpoisoned").is_empty());
    let text = response.into_body().into_string().now_or_never().expect("nobody waits");
    (status, text.ok())
}

#[tokio::test]
async fn an_export_is_one_document() {
    let (status, text) = export("/api/users/export", SecondPage::Good).await;
    assert_eq!(status, StatusCode::OK);
    let text = text.expect("a whole");
    assert!(text.ends_with(",\"complete\":true}"), "{text}");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["format"], "lunation-export");
    assert_eq!(document["cycles"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["cycles_version"], 7);
    let (_, text) = export("/api/users/export/cycles.csv", SecondPage::Good).await;
    assert_eq!(text.expect("a whole").matches("\r\n").count(), 3);
}

#[tokio::test]
async fn what_is_broken_off_is_cut() {
    for path in ["/api/users/export", "/api/users/export/cycles.csv"] {
        for second_page in [SecondPage::Away, SecondPage::OfAnotherVersion] {
            let (status, text) = export(path, second_page).await;
            assert_eq!(status, StatusCode::OK, "it had begun");
            assert_eq!(text, None, "{path}");
        }
    }
}

/// Without a group nothing begins.
#[tokio::test]
async fn a_group_that_is_away_is_a_503() {
    let api = Api::new();
    for path in ["/api/users/export", "/api/users/export/symptoms.csv"] {
        let (status, problem) = api.send(poem::http::Method::GET, path, None).await;
        assert_eq!((status, &problem["type"]), (503, &Value::from("/problems/unavailable")));
    }
}
