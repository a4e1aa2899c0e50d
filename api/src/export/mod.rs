//! Taking along what is held on one: `/api/users/export`.

mod csv;
mod document;
mod pages;

use contracts::users::DataRequestKind;
use poem::{
    Body, IntoResponse, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde_json::{Value, json};

use crate::{
    app::Groups,
    auth::Caller,
    document::{Extra, Tag},
    export::{document::AccountExport, pages::Export},
    scalar::Text,
};

pub(crate) use document::{
    ExportFormat, ExportVersion, ExportedCycle, ExportedProfile, RetentionExport, Yes,
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "exportAccount", code: "sign-in-again" },
    Extra { operation: "exportAccount", code: "too-many-requests" },
    Extra { operation: "exportCyclesAsCsv", code: "sign-in-again" },
    Extra { operation: "exportCyclesAsCsv", code: "too-many-requests" },
    Extra { operation: "exportSymptomsAsCsv", code: "sign-in-again" },
    Extra { operation: "exportSymptomsAsCsv", code: "too-many-requests" },
];

/// Gives the answers that are no JSON their examples.
pub(crate) fn add_examples(document: &mut Value) {
    let cycle = "1,2026-11-01,2026-11-05,5,,false,,2026-11-01T08:00:00Z,2026-11-05T08:00:00Z\r\n";
    let symptom = "1,1,2026-11-02,cramps,mild,3,,2026-11-02T08:00:00Z\r\n";
    for (name, header, line) in
        [("cycles", csv::CYCLES, cycle), ("symptoms", csv::SYMPTOMS, symptom)]
    {
        let place =
            format!("/paths/~1api~1users~1export~1{name}.csv/get/responses/200/content/text~1csv");
        if let Some(media) = document.pointer_mut(&place).and_then(Value::as_object_mut) {
            media.insert("example".to_owned(), json!(format!("{header}{line}")));
        }
    }
}

/// The operations that take everything along.
pub(crate) struct ExportApi {
    /// Each holds a part.
    pub(crate) groups: Groups,
}

#[OpenApi(prefix_path = "/api/users", tag = "Tag::Users")]
impl ExportApi {
    /// Take everything along that is held on one
    ///
    /// One JSON document with what every part holds, secrets aside. It takes a sign-in of the last 15
    /// minutes (otherwise 401 `sign-in-again`), and can be had five times a day. It is written while it
    /// is read: a document whose last member is not `complete` was broken off, because a part went away
    /// or because something was logged meanwhile; then the connection is cut too. `POST
    /// /api/users/import` takes it.
    #[oai(path = "/export", method = "get", operation_id = "exportAccount")]
    async fn export(&self, caller: Caller) -> poem::Result<JsonFile> {
        let export = Export::begin(caller, self.groups.clone(), DataRequestKind::Export).await?;
        Ok(JsonFile(export.json().await?))
    }

    /// Take one's cycles along as CSV
    ///
    /// RFC 4180 with a header line, in UTF-8; a cell that a spreadsheet would take for a formula begins
    /// with an apostrophe. Otherwise as `GET /api/users/export`, but five times a day by itself.
    #[oai(path = "/export/cycles.csv", method = "get", operation_id = "exportCyclesAsCsv")]
    async fn cycles(&self, caller: Caller) -> poem::Result<CsvFile> {
        let kind = DataRequestKind::CyclesCsv;
        let export = Export::begin(caller, self.groups.clone(), kind).await?;
        Ok(CsvFile { body: export.cycles_csv().await?, name: "cycles" })
    }

    /// Take one's symptoms along as CSV
    ///
    /// As the cycles; `cycle_id` is the `id` there.
    #[oai(path = "/export/symptoms.csv", method = "get", operation_id = "exportSymptomsAsCsv")]
    async fn symptoms(&self, caller: Caller) -> poem::Result<CsvFile> {
        let kind = DataRequestKind::SymptomsCsv;
        let export = Export::begin(caller, self.groups.clone(), kind).await?;
        Ok(CsvFile { body: export.symptoms_csv().await?, name: "symptoms" })
    }
}

/// A JSON document to be saved.
struct JsonFile(Body);

impl IntoResponse for JsonFile {
    fn into_response(self) -> Response {
        file(self.0, "application/json", "attachment; filename=\"lunation-export.json\"")
    }
}

impl ApiResponse for JsonFile {
    fn meta() -> MetaResponses {
        response::<AccountExport>("application/json")
    }

    fn register(registry: &mut Registry) {
        AccountExport::register(registry);
    }
}

/// A CSV file to be saved.
struct CsvFile {
    body: Body,
    name: &'static str,
}

impl IntoResponse for CsvFile {
    fn into_response(self) -> Response {
        let Self { body, name } = self;
        let disposition = format!("attachment; filename=\"lunation-{name}.csv\"");
        file(body, "text/csv; charset=utf-8; header=present", &disposition)
    }
}

impl ApiResponse for CsvFile {
    fn meta() -> MetaResponses {
        response::<Text>("text/csv")
    }

    fn register(_registry: &mut Registry) {}
}

fn file(body: Body, content_type: &'static str, disposition: &str) -> Response {
    let mut response = Response::builder().content_type(content_type).body(body);
    if let Ok(value) = HeaderValue::from_str(disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn response<T: Type>(content_type: &'static str) -> MetaResponses {
    let response = MetaResponse {
        description: "",
        status: Some(200),
        status_range: None,
        content: vec![MetaMediaType { content_type, schema: T::schema_ref() }],
        headers: Vec::new(),
    };
    MetaResponses { responses: vec![response] }
}
