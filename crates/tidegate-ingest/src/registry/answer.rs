//! What a registry's answers say.

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::RegistryError;

/// The longest text of a registry that is repeated in a message, in characters.
const DETAIL_CHARS_MAX: usize = 200;

/// `error_code` of an answer 404: the subject, its version or the schema is not there.
const NOT_THERE: [u64; 3] = [40_401, 40_402, 40_403];

/// A schema as a registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// Its id, which stands before the messages that are written by it.
    pub id: u32,
    /// `AVRO`, `JSON` or `PROTOBUF`, or what else the registry calls its type.
    pub kind: String,
    /// The schema.
    pub text: String,
}

/// The bytes of an answer, and what was asked.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) url: String,
    pub(super) bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Fault {
    error_code: u64,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Stored {
    id: Option<u32>,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    schema: String,
}

impl Answer {
    /// This answer, `None` where it says that there is none.
    pub(super) fn of(self, status: StatusCode) -> Result<Option<Self>, RegistryError> {
        if status == StatusCode::OK {
            return Ok(Some(self));
        }
        let fault: Option<Fault> = serde_json::from_slice(&self.bytes).ok();
        match fault {
            Some(fault)
                if status == StatusCode::NOT_FOUND && NOT_THERE.contains(&fault.error_code) =>
            {
                Ok(None)
            }
            // A web server that has no such page says 404 too.
            _ if status == StatusCode::NOT_FOUND => {
                Err(self.not_registry("the answer is 404 without an error_code of a registry"))
            }
            Some(fault) => {
                let message: String = fault.message.chars().take(DETAIL_CHARS_MAX).collect();
                let detail = format!("error_code {}, {message:?}", fault.error_code);
                Err(self.status(status, detail))
            }
            None => Err(self.status(status, "and no reason is given".to_owned())),
        }
    }

    /// The numbers of a subject's versions.
    pub(super) fn versions(self) -> Result<Vec<u32>, RegistryError> {
        self.read("a list of versions")
    }

    /// One schema; `asked` is its id where the answer does not repeat it.
    pub(super) fn schema(self, asked: Option<u32>) -> Result<RegisteredSchema, RegistryError> {
        let stored: Stored = self.read("a schema")?;
        let Some(id) = asked.or(stored.id) else {
            return Err(self.not_registry("the answer is a schema without an id"));
        };
        Ok(RegisteredSchema {
            id,
            // Registries leave it out for the type that was there first.
            kind: stored.kind.unwrap_or_else(|| "AVRO".to_owned()),
            text: stored.schema,
        })
    }

    fn read<T: DeserializeOwned>(&self, what: &str) -> Result<T, RegistryError> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let error: String = error.to_string().chars().take(DETAIL_CHARS_MAX).collect();
            self.not_registry(format!("the answer is not {what}: {error}"))
        })
    }

    fn not_registry(&self, detail: impl Into<String>) -> RegistryError {
        RegistryError::NotRegistry {
            url: self.url.clone(),
            detail: detail.into(),
        }
    }

    fn status(&self, status: StatusCode, detail: String) -> RegistryError {
        RegistryError::Status {
            url: self.url.clone(),
            status: status.as_u16(),
            detail,
        }
    }
}
