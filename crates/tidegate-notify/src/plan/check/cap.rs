//! What a CAP channel asks for: what the standard's words forbid, its schema would take.

use super::{Checker, http_url};
use crate::config::{CapConfig, CapScope, CapStatus};
use crate::form::cap::{self, Scope, Sender};
use crate::form::{TEXT_CHARS_MAX, TITLE_CHARS_MAX};
use crate::plan::{CapPlan, KindPlan};

/// Most `addresses`.
const ADDRESSES_MAX: usize = 100;
/// Longest address, in characters.
const ADDRESS_CHARS_MAX: usize = 320;
/// Most `codes`, and most `forecast_methods`.
const WORDS_MAX: usize = 10;

impl Checker<'_> {
    pub(super) fn cap(&mut self, config: &CapConfig) -> Option<KindPlan> {
        let sender = Sender::new(&config.sender).map_err(|error| error.to_string());
        let sender = sender.map_err(|message| self.problem("sender", message));
        self.number("feed_max", config.feed_max, 1..=1_000);
        let public_url = config.public_url.as_deref().map(http_url).transpose();
        let public_url = public_url.map_err(|message| self.problem("public_url", message));
        let scope = self.scope(config);
        for (key, value, most) in [
            ("sender_name_zh", &config.sender_name_zh, TITLE_CHARS_MAX),
            ("sender_name_en", &config.sender_name_en, TITLE_CHARS_MAX),
            ("contact", &config.contact, TITLE_CHARS_MAX),
            ("note", &config.note, TEXT_CHARS_MAX),
        ] {
            self.text(key, value.as_deref(), most);
        }
        if config.note.is_some() && config.status != CapStatus::Exercise {
            self.problem("note", "it belongs to status = \"Exercise\"; remove it");
        }
        self.words("codes", &config.codes);
        self.words(
            "forecast_methods",
            config.forecast_methods.as_deref().unwrap_or_default(),
        );
        if config.categories.as_ref().is_some_and(Vec::is_empty) {
            let message = "it is empty; write at least one, such as \"Safety\"";
            self.problem("categories", message);
        }
        let web = self.web(config.web.as_deref());
        let standard = cap::CapConfig::new(sender.ok()?);
        let messages = cap::CapConfig {
            sender_name_zh: config.sender_name_zh.clone().unwrap_or_default(),
            sender_name_en: config.sender_name_en.clone().unwrap_or_default(),
            status: config.status,
            scope: scope?,
            contact: config.contact.clone(),
            web: web?,
            codes: config.codes.clone(),
            categories: config.categories.clone().unwrap_or(standard.categories),
            note: config.note.clone().unwrap_or(standard.note),
            forecast_methods: (config.forecast_methods.clone())
                .unwrap_or(standard.forecast_methods),
            ..standard
        };
        Some(KindPlan::Cap(Box::new(CapPlan {
            folder: self.folder.join(&config.folder),
            messages,
            public_url: public_url.ok()?,
            feed_max: config.feed_max,
        })))
    }

    /// The scope with what the standard asks for beside it, and nothing that it would not use.
    fn scope(&mut self, config: &CapConfig) -> Option<Scope> {
        let scope = config.scope.unwrap_or(CapScope::Restricted);
        if config.restriction.is_some() && scope != CapScope::Restricted {
            let message =
                format!("it belongs to scope = \"Restricted\", not \"{scope:?}\"; remove it");
            self.problem("restriction", message);
        }
        if !config.addresses.is_empty() && scope != CapScope::Private {
            let message =
                format!("they belong to scope = \"Private\", not \"{scope:?}\"; remove them");
            self.problem("addresses", message);
        }
        match scope {
            CapScope::Public => Some(Scope::Public),
            CapScope::Restricted => match (&config.restriction, config.scope) {
                (Some(whom), _) => {
                    self.text("restriction", Some(whom), TEXT_CHARS_MAX);
                    Some(Scope::Restricted(whom.clone()))
                }
                (None, None) => Some(Scope::default()),
                (None, Some(_)) => {
                    let message = "it is missing; say for whom \"Restricted\" messages are";
                    self.problem("restriction", message);
                    None
                }
            },
            CapScope::Private => {
                let count = config.addresses.len();
                self.number("addresses", count, 1..=ADDRESSES_MAX);
                for address in &config.addresses {
                    self.text("addresses", Some(address), ADDRESS_CHARS_MAX);
                    if address.contains('"') {
                        let message = format!("{address:?} must have no quotation mark");
                        self.problem("addresses", message);
                    }
                }
                Some(Scope::Private(config.addresses.clone()))
            }
        }
    }

    /// `Some(None)` where there is none.
    #[expect(
        clippy::option_option,
        reason = "a faulty address is not the same as none"
    )]
    fn web(&mut self, page: Option<&str>) -> Option<Option<String>> {
        let Some(page) = page else {
            return Some(None);
        };
        // As a URI: what is not ASCII is escaped.
        let url = http_url(page).map(|url| url.as_str().to_owned());
        let url = url.and_then(|url| {
            if cap::is_link(&url) {
                Ok(url)
            } else {
                Err("it has characters that a URI must not have; escape them".to_owned())
            }
        });
        match url {
            Ok(url) => Some(Some(url)),
            Err(message) => {
                self.problem("web", message);
                None
            }
        }
    }

    /// One line that is shown as it is written.
    fn text(&mut self, key: &str, text: Option<&str>, chars_max: usize) {
        let Some(text) = text else {
            return;
        };
        let length = text.chars().count();
        if text.trim().is_empty() || length > chars_max || text.chars().any(char::is_control) {
            let message =
                format!("it has {length} characters and must be of 1 to {chars_max} in one line");
            self.problem(key, message);
        }
    }

    /// A few words without spaces.
    fn words(&mut self, key: &str, words: &[String]) {
        if words.len() > WORDS_MAX {
            let count = words.len();
            self.problem(key, format!("{count} are here, {WORDS_MAX} are allowed"));
        }
        for word in words {
            let faulty = |c: char| c.is_whitespace() || c.is_control();
            if word.is_empty() || word.len() > TITLE_CHARS_MAX || word.contains(faulty) {
                let message =
                    format!("{word:?} must be of 1 to {TITLE_CHARS_MAX} characters without spaces");
                self.problem(key, message);
            }
        }
    }
}
