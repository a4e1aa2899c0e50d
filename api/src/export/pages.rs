//! An export, page by page: never more of it in memory than one page of one group.

use std::{io, mem};

use contracts::{
    AuditEntryId, Version,
    analytics::{GetInsights, ListCycleAnalytics, ListPredictions},
    cycles::{CyclesExport, ExportCursor, ExportCycles, ExportedRows, GetRetention},
    notifications::{GetPreferences, ListNotifications},
    page::PageRequest,
    users::{AccountExport, AuditPage, DataRequestKind, ExportAccount, ListAudit},
};
use futures::{Stream, stream};
use poem::Body;
use poem_openapi::types::ToJSON;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use super::{
    csv,
    document::{ExportHead, ExportedCycle, ExportedProfile},
};
use crate::{
    analytics::CycleAnalytics,
    app::Groups,
    audit::AuditEntry,
    auth::Caller,
    episodes::Episode,
    error::Problem,
    notifications::Notification,
    predictions::Prediction,
    scalar::{Nullable, Scalar},
    symptoms::Symptom,
};

/// How long the whole may take: a client that reads nothing is not waited for.
const DURATION_MAX: Duration = Duration::from_mins(5);
/// Rows of one page of derived lists.
const PAGE: i64 = 100;

/// An export that was allowed.
pub(super) struct Export {
    caller: Caller,
    groups: Groups,
    kind: DataRequestKind,
    /// The version of the first page of cycles: all others have to be of the same.
    version: Option<Version>,
    /// The first page of cycles.
    first: CyclesExport,
    until: Instant,
}

/// What comes next.
enum Step {
    Rows(ExportCursor),
    Predictions(i64),
    CycleAnalytics(i64),
    Notifications(i64),
    Audit(Option<AuditEntryId>),
    Tail,
}

/// How cycles and symptoms are written.
#[derive(Clone, Copy)]
enum Shape {
    Json,
    Csv,
}

/// An export under way.
struct Pages {
    export: Export,
    shape: Shape,
    /// What is written and not yet sent.
    ready: String,
    next: Option<Step>,
    /// Whether the list that is being written has an item.
    has_item: bool,
    /// The version of the derived list that is being written.
    derived: Option<Version>,
}

impl Export {
    /// Reads the first page.
    pub(super) async fn begin(
        caller: Caller,
        groups: Groups,
        kind: DataRequestKind,
    ) -> Result<Self, Problem> {
        let until = Instant::now() + DURATION_MAX;
        let after = match kind {
            DataRequestKind::SymptomsCsv => ExportCursor::Symptoms(None),
            _ => ExportCursor::Cycles(None),
        };
        let first = ExportCycles { user_id: caller.user_id, after };
        let first = caller.ask(&groups.cycles, first).await?;
        let version = Some(first.version);
        Ok(Self { caller, groups, kind, version, first, until })
    }

    /// Asks whether it may begin. From here on it counts, so this is asked when all else is there.
    async fn account(&self) -> Result<AccountExport, Problem> {
        let Self { caller, groups, kind, .. } = self;
        let request = ExportAccount { user_id: caller.user_id, kind: *kind };
        caller.ask(&groups.users, request).await
    }

    /// Everything. What every group is asked before the first byte leaves, so that a group that is away
    /// is a 503.
    pub(super) async fn json(self) -> Result<Body, Problem> {
        let head = self.head().await?;
        let mut text = head.to_json_string();
        // The lists follow in the same object.
        text.pop();
        text.push_str(",\"cycles\":[");
        Ok(self.body(Shape::Json, text))
    }

    /// The cycles.
    pub(super) async fn cycles_csv(self) -> Result<Body, Problem> {
        self.account().await?;
        Ok(self.body(Shape::Csv, csv::CYCLES.to_owned()))
    }

    /// The symptoms.
    pub(super) async fn symptoms_csv(self) -> Result<Body, Problem> {
        self.account().await?;
        Ok(self.body(Shape::Csv, csv::SYMPTOMS.to_owned()))
    }

    async fn head(&self) -> Result<ExportHead, Problem> {
        let Self { caller, groups, first, .. } = self;
        let Groups { users: _, cycles, analytics, notifications } = groups;
        let user_id = caller.user_id;
        let retention = caller.ask(cycles, GetRetention { user_id }).await?;
        let min_version = Some(first.version);
        let insights = caller.ask(analytics, GetInsights { user_id, min_version }).await?;
        let preferences = GetPreferences { user_id, min_version: None };
        let preferences = caller.ask(notifications, preferences).await?.preferences;
        let AccountExport {
            exported_at,
            user,
            updated_at,
            sessions,
            api_tokens,
            second_factor,
            requests,
        } = self.account().await?;
        let (format, version) = ExportHead::format();
        Ok(ExportHead {
            format,
            version,
            exported_at: Scalar(exported_at),
            cycles_version: Scalar(first.version.get()),
            profile: ExportedProfile::new(user, updated_at),
            sessions: sessions.into_iter().map(Into::into).collect(),
            api_tokens: api_tokens.into_iter().map(Into::into).collect(),
            second_factor: Nullable(second_factor.map(Into::into)),
            requests: requests.into_iter().map(Into::into).collect(),
            retention: retention.into(),
            preferences: preferences.into(),
            statistics: insights.statistics.into(),
            derived_as_of_version: Scalar(insights.as_of_version.get()),
        })
    }

    fn body(mut self, shape: Shape, beginning: String) -> Body {
        let rows = ExportedRows::Episodes(Vec::new());
        let empty = CyclesExport { version: self.first.version, rows, next: None };
        let first = mem::replace(&mut self.first, empty);
        let mut pages = Pages {
            export: self,
            shape,
            ready: beginning,
            next: None,
            has_item: false,
            derived: None,
        };
        pages.take(first);
        Body::from_bytes_stream(pages.stream())
    }
}

impl Pages {
    /// The connection is cut if a page cannot be had: what was sent so far must not pass for a whole.
    fn stream(self) -> impl Stream<Item = Result<String, io::Error>> + Send + 'static {
        stream::try_unfold(self, |mut pages| async move {
            match pages.chunk().await {
                Ok(Some(text)) => Ok(Some((text, pages))),
                Ok(None) => Ok(None),
                Err(problem) => {
                    tracing::warn!(%problem, "an export is broken off");
                    Err(io::Error::other("broken off"))
                }
            }
        })
    }

    async fn chunk(&mut self) -> Result<Option<String>, Problem> {
        if !self.ready.is_empty() {
            return Ok(Some(mem::take(&mut self.ready)));
        }
        if Instant::now() > self.export.until {
            return Err(Problem::body_timeout());
        }
        match self.next.take() {
            None => return Ok(None),
            Some(Step::Rows(after)) => {
                let request = ExportCycles { user_id: self.export.caller.user_id, after };
                let page = self.export.caller.ask_patiently(&self.export.groups.cycles, request);
                let page = page.await?;
                if self.export.version != Some(page.version) {
                    tracing::info!("something was logged while an export was written");
                    return Err(Problem::from(contracts::Refusal::interrupted()));
                }
                self.take(page);
            }
            Some(Step::Predictions(offset)) => self.predictions(offset).await?,
            Some(Step::CycleAnalytics(offset)) => self.cycle_analytics(offset).await?,
            Some(Step::Notifications(offset)) => self.notifications(offset).await?,
            Some(Step::Audit(after)) => self.audit(after).await?,
            Some(Step::Tail) => self.ready.push_str(",\"complete\":true}"),
        }
        Ok(Some(mem::take(&mut self.ready)))
    }

    /// Writes a page of cycles, symptoms or episodes.
    fn take(&mut self, page: CyclesExport) {
        let CyclesExport { version: _, rows, next } = page;
        let is_last = next.is_none();
        let follows = match (rows, self.shape) {
            (ExportedRows::Cycles(rows), Shape::Csv) => {
                self.ready.extend(rows.iter().map(csv::cycle));
                None
            }
            (ExportedRows::Symptoms(rows), Shape::Csv) => {
                self.ready.extend(rows.iter().map(csv::symptom));
                None
            }
            (ExportedRows::Episodes(_), Shape::Csv) => None,
            (ExportedRows::Cycles(rows), Shape::Json) => {
                self.items(rows.into_iter().map(ExportedCycle::from));
                Some(("symptoms", Step::Rows(ExportCursor::Symptoms(None))))
            }
            (ExportedRows::Symptoms(rows), Shape::Json) => {
                self.items(rows.into_iter().map(Symptom::from));
                Some(("episodes", Step::Rows(ExportCursor::Episodes(None))))
            }
            (ExportedRows::Episodes(rows), Shape::Json) => {
                self.items(rows.into_iter().map(Episode::from));
                Some(("predictions", Step::Predictions(0)))
            }
        };
        self.next = match (is_last, follows) {
            (false, _) => next.map(Step::Rows),
            (true, Some((list, step))) => {
                self.begin_list(list);
                Some(step)
            }
            (true, None) => None,
        };
    }

    async fn predictions(&mut self, offset: i64) -> Result<(), Problem> {
        let Export { caller, groups, version, .. } = &self.export;
        let page = PageRequest { limit: PAGE, offset };
        let (user_id, active, min_version) = (caller.user_id, None, *version);
        let request = ListPredictions { user_id, active, min_version, page };
        let list = caller.ask_patiently(&groups.analytics, request).await?;
        self.is_of(list.as_of_version)?;
        self.items(list.predictions.into_iter().map(Prediction::from));
        let next =
            (Step::Predictions as fn(i64) -> Step, "cycle_analytics", Step::CycleAnalytics(0));
        self.go_on(offset, list.total, next);
        Ok(())
    }

    async fn cycle_analytics(&mut self, offset: i64) -> Result<(), Problem> {
        let Export { caller, groups, version, .. } = &self.export;
        let page = PageRequest { limit: PAGE, offset };
        let (user_id, min_version) = (caller.user_id, *version);
        let request = ListCycleAnalytics { user_id, min_version, page };
        let list = caller.ask_patiently(&groups.analytics, request).await?;
        self.is_of(list.as_of_version)?;
        self.items(list.analytics.into_iter().map(CycleAnalytics::from));
        let next =
            (Step::CycleAnalytics as fn(i64) -> Step, "notifications", Step::Notifications(0));
        self.go_on(offset, list.total, next);
        Ok(())
    }

    async fn notifications(&mut self, offset: i64) -> Result<(), Problem> {
        let Export { caller, groups, .. } = &self.export;
        let page = PageRequest { limit: PAGE, offset };
        let (user_id, status, min_version) = (caller.user_id, None, None);
        let request = ListNotifications { user_id, status, min_version, page };
        let list = caller.ask_patiently(&groups.notifications, request).await?;
        self.is_of(list.as_of_version)?;
        self.items(list.notifications.into_iter().map(Notification::from));
        if offset + PAGE < list.total {
            self.next = Some(Step::Notifications(offset + PAGE));
        } else {
            self.begin_list("audit");
            self.next = Some(Step::Audit(None));
        }
        Ok(())
    }

    async fn audit(&mut self, after: Option<AuditEntryId>) -> Result<(), Problem> {
        let Export { caller, groups, .. } = &self.export;
        let (user_id, kind, from, to) = (caller.user_id, None, None, None);
        let request = ListAudit { user_id, kind, from, to, after, limit: PAGE };
        let AuditPage { entries, next } = caller.ask_patiently(&groups.users, request).await?;
        self.items(entries.into_iter().map(AuditEntry::from));
        self.next = Some(if next.is_some() {
            Step::Audit(next)
        } else {
            self.ready.push(']');
            Step::Tail
        });
        Ok(())
    }

    /// Pages of one list that show two versions do not belong together.
    fn is_of(&mut self, version: Version) -> Result<(), Problem> {
        match self.derived.replace(version) {
            Some(before) if before != version => {
                tracing::info!("something was derived while an export was written");
                Err(Problem::from(contracts::Refusal::interrupted()))
            }
            _ => Ok(()),
        }
    }

    /// The next page of a list, or the next list.
    fn go_on(
        &mut self,
        offset: i64,
        total: i64,
        (page, list, step): (fn(i64) -> Step, &str, Step),
    ) {
        if offset + PAGE < total {
            self.next = Some(page(offset + PAGE));
        } else {
            self.begin_list(list);
            self.next = Some(step);
        }
    }

    /// Ends a list and begins the next one.
    fn begin_list(&mut self, name: &str) {
        self.ready.push_str("],\"");
        self.ready.push_str(name);
        self.ready.push_str("\":[");
        self.has_item = false;
        self.derived = None;
    }

    fn items<T: ToJSON>(&mut self, items: impl Iterator<Item = T>) {
        for item in items {
            if mem::replace(&mut self.has_item, true) {
                self.ready.push(',');
            }
            self.ready.push_str(&item.to_json().unwrap_or(Value::Null).to_string());
        }
    }
}
