//! Robots of Feishu, DingTalk and WeCom groups.
//!
//! The address holds the robot's key, so it is a secret: it is read in every try, judged there as
//! that of a webhook is, and shown in no message. What the body of the answer says decides, since
//! these platforms answer 200 to what they refuse.

use jiff::Timestamp;
use reqwest::Url;
use tidegate_dispatch::Notice;

use crate::deliver::{Deliver, Delivering, Outcome, Tried};
use crate::form::{Request, RobotRequest, RobotStyle, dingtalk, feishu, wecom};
use crate::http::{JudgeBody, Poster};
use crate::plan::{RobotPlan, http_url};
use crate::secret::{Secret, SecretFile};

/// Whose robot it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Feishu (Lark).
    Feishu,
    /// DingTalk.
    Dingtalk,
    /// WeCom.
    Wecom,
}

/// A robot of a group.
#[derive(Debug)]
pub struct RobotChannel {
    /// Makes the requests.
    pub poster: Poster,
    /// Whose robot it is.
    pub platform: Platform,
    /// Files with its address and its secret; read in every try.
    pub robot: RobotPlan,
    /// How the group reads its alerts.
    pub style: RobotStyle,
}

impl RobotChannel {
    async fn post(&self, notice: &Notice, now: Timestamp) -> Tried {
        let (url, request) = match self.request(notice, now) {
            Ok(made) => made,
            // Somebody may be changing a file.
            Err(why) => return Outcome::retry(why).into(),
        };
        let judge: JudgeBody = match self.platform {
            Platform::Feishu => |status, body| feishu::answer(status, body).into(),
            Platform::Dingtalk => |status, body| dingtalk::answer(status, body).into(),
            Platform::Wecom => |status, body| wecom::answer(status, body).into(),
        };
        self.poster.post(&url, request, Some(judge), now).await
    }

    fn request(&self, notice: &Notice, now: Timestamp) -> Result<(Url, Request), String> {
        let secret = self.robot.secret.as_ref();
        let secret = secret.map(SecretFile::read).transpose()?;
        let secret = secret.as_ref().map(Secret::expose);
        let made = match self.platform {
            Platform::Feishu => feishu::request(notice, &self.style, secret, now.as_second()),
            Platform::Dingtalk => {
                dingtalk::request(notice, &self.style, secret, now.as_millisecond())
            }
            Platform::Wecom => wecom::request(notice, &self.style),
        };
        let file = &self.robot.url;
        let url = http_url(file.read()?.expose()).and_then(|url| with_query(url, &made.query));
        let url = url.map_err(|why| format!("the file {}: {why}", file.path().display()))?;
        let request = Request {
            headers: Vec::new(),
            content_type: RobotRequest::CONTENT_TYPE,
            body: made.body,
        };
        Ok((url, request))
    }
}

/// `more` begins with `&`; the address has a query already, or it is given one. What is in `more`
/// is encoded and stays as it is.
fn with_query(url: Url, more: &str) -> Result<Url, String> {
    if more.is_empty() {
        return Ok(url);
    }
    let text = match url.query() {
        Some(_) => format!("{url}{more}"),
        None => format!("{url}?{}", more.trim_start_matches('&')),
    };
    Url::parse(&text).map_err(|error| format!("it is not a URL: {error}"))
}

impl Deliver for RobotChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, now: Timestamp) -> Delivering<'a> {
        Box::pin(self.post(notice, now))
    }
}
