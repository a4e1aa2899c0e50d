//! What users write in their own words, sealed: each user has a data key, which lies beside the rows,
//! wrapped under a key that is in no database.
//!
//! Nothing keeps an unwrapped key beyond one statement or one write. Unwrapping takes two
//! microseconds and the wrapped key comes with the rows, so keeping it would save nothing, and would
//! have to be undone in every process when a user is erased.

use actor_runtime::seal::{DataKey, KeyRing, Place, SealError};
use contracts::UserId;

/// What is sealed of a symptom.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// `value_sealed`.
    Value,
    /// `notes_sealed`.
    Notes,
}

/// The data key of one user, as far as it is known by now.
pub(crate) struct UserKey<'a> {
    ring: &'a KeyRing,
    user_id: UserId,
    key: Option<DataKey>,
}

impl<'a> UserKey<'a> {
    /// Of a user, not yet known.
    pub(crate) fn new(ring: &'a KeyRing, user_id: UserId) -> Self {
        Self { ring, user_id, key: None }
    }

    /// The key, if it is known.
    pub(crate) fn known(&self) -> Option<&DataKey> {
        self.key.as_ref()
    }

    /// Takes in the wrapped key that a row brought. Whether it is known now.
    ///
    /// # Errors
    ///
    /// It cannot be unwrapped.
    pub(crate) fn learn(&mut self, wrapped: Option<&[u8]>) -> Result<bool, sqlx::Error> {
        if let (None, Some(wrapped)) = (&self.key, wrapped) {
            let key = self.ring.unwrap_key(self.user_id, wrapped);
            self.key = Some(key.map_err(|error| self.failed("data_key", "wrapped", None, error))?);
        }
        Ok(self.key.is_some())
    }

    /// Makes a key for a user who has none, and returns it wrapped, to be stored.
    ///
    /// # Errors
    ///
    /// None that is to be expected.
    pub(crate) fn make(&mut self) -> Result<Vec<u8>, sqlx::Error> {
        let key = DataKey::generate();
        let wrapped = self.ring.wrap_key(self.user_id, &key);
        let wrapped = wrapped.map_err(|error| self.failed("data_key", "wrapped", None, error))?;
        self.key = Some(key);
        Ok(wrapped)
    }

    /// Seals a text of a symptom.
    ///
    /// # Errors
    ///
    /// The key is not known.
    pub(crate) fn seal(
        &self,
        column: Column,
        symptom_id: i64,
        text: &str,
    ) -> Result<Vec<u8>, sqlx::Error> {
        let row = symptom_id.to_be_bytes();
        let place = self.place(column, &row);
        let key = self.key.as_ref().ok_or(SealError::Broken);
        key.and_then(|key| key.seal(&place, text.as_bytes()))
            .map_err(|error| self.failed(place.table, place.column, Some(symptom_id), error))
    }

    /// The text of a symptom: what is sealed, or what stands in clear because it was written before
    /// texts were sealed.
    ///
    /// # Errors
    ///
    /// It cannot be opened: changed, of another row, or its key is gone.
    pub(crate) fn text(
        &self,
        column: Column,
        symptom_id: i64,
        in_clear: Option<String>,
        sealed: Option<&[u8]>,
    ) -> Result<Option<String>, sqlx::Error> {
        let Some(sealed) = sealed else { return Ok(in_clear) };
        let opened = self.open(column, symptom_id, sealed);
        opened.map(Some).map_err(|error| {
            let row = symptom_id.to_be_bytes();
            let Place { table, column, .. } = self.place(column, &row);
            self.failed(table, column, Some(symptom_id), error)
        })
    }

    /// Opens a text of a symptom.
    ///
    /// # Errors
    ///
    /// As [`UserKey::text`]; nothing is logged.
    pub(crate) fn open(
        &self,
        column: Column,
        symptom_id: i64,
        sealed: &[u8],
    ) -> Result<String, SealError> {
        let row = symptom_id.to_be_bytes();
        let key = self.key.as_ref().ok_or(SealError::Broken)?;
        let text = key.open(&self.place(column, &row), sealed)?;
        String::from_utf8(text.to_vec()).map_err(|_| SealError::Malformed)
    }

    fn place<'row>(&self, column: Column, row: &'row [u8]) -> Place<'row> {
        let column = match column {
            Column::Value => "value",
            Column::Notes => "notes",
        };
        Place { table: "symptom", column, user_id: self.user_id, row }
    }

    /// Says where it is that something cannot be opened: an operator has to know. To everybody else
    /// it is a row that cannot be read.
    fn failed(&self, table: &str, column: &str, row: Option<i64>, error: SealError) -> sqlx::Error {
        let user_id = self.user_id;
        tracing::error!(%user_id, table, column, row, %error, "a sealed value cannot be used");
        sqlx::Error::Decode(Box::new(error))
    }
}
