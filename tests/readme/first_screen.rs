//! The first screen, played: what is sent, what Segment gets, what impact.com gets.

use crate::Part;
use crate::harness::Answer;
use crate::text::Readme;
use crate::town::{Town, configuration};
use selvedge::clock::Time;
use serde_json::Value;

/// Whether this code span is part of the play.
pub(crate) fn is_tried(span: &str) -> bool {
    span == conversions() || span == format!("im_ref={}", click())
}

/// The click of the story: the one that Segment gets.
pub(crate) fn click() -> String {
    let call: Value = serde_json::from_str(&Part::AtSegment.block()).unwrap();
    call["context"]["referrer"]["id"].as_str().unwrap().to_owned()
}

/// Whose order it is.
pub(crate) fn customer() -> String {
    let call: Value = serde_json::from_str(&Part::Sent.block()).unwrap();
    call["userId"].as_str().unwrap().to_owned()
}

fn conversions() -> String {
    format!("/Advertisers/{}/Conversions", configuration().impact.programs[0].account_sid)
}

/// The paths on the picture's left side: a landing, a browser's call, a server's call.
fn paths() -> [String; 3] {
    let picture = Part::Picture.block();
    let paths = picture.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    let paths: Vec<String> = paths.map(str::to_owned).collect();
    paths.try_into().unwrap()
}

impl Town {
    /// A visitor lands with the click, looks at a page, and logs in; the landing's answer.
    pub(crate) async fn visit(&self) -> Answer {
        let [landing, page, _] = paths();
        let landing = landing.replace('…', &click());
        let head = format!("GET {landing} HTTP/1.1\r\nHost: www.example.com\r\nAccept: text/html");
        let landed = self.send(&head, "").await;
        let cookie = landed.fields("set-cookie")[0].split(';').next().unwrap();
        let browser = format!("Host: www.example.com\r\nOrigin: http://www.example.com\r\nCookie: {cookie}");
        let id = customer();
        for (path, body) in [
            (page, r#"{"type":"page","anonymousId":"a-1","messageId":"m-1"}"#.to_owned()),
            ("/cdp/v1/i".to_owned(), format!(r#"{{"type":"identify","anonymousId":"a-1","userId":"{id}"}}"#)),
        ] {
            let answer = self.send(&format!("POST {path} HTTP/1.1\r\n{browser}"), &body).await;
            assert_eq!(answer.status(), 200, "{path}");
        }
        self.segment.wait_for(2).await;
        self.segment.forget();
        landed
    }

    /// The server reports the order.
    pub(crate) async fn order(&self) {
        let [_, _, track] = paths();
        self.post(&track, &Part::Sent.block()).await;
    }
}

#[tokio::test]
async fn segment_and_impact_get_what_the_readme_shows() {
    let town = Town::build().await;
    let landed = town.visit().await;
    let kept = landed.fields("set-cookie")[0];
    assert!(kept.starts_with("im_ref=") && kept.contains(&click()) && kept.contains("HttpOnly"), "{kept}");
    town.order().await;
    let seen = town.segment.wait_for(1).await;
    assert_eq!(String::from_utf8_lossy(&seen[0].body), Part::AtSegment.block());
    let conversion = &town.impact.wait_for_conversions(1).await[0];
    assert_eq!(conversion.path, conversions());
    let ((sent, at), (shown, shown_at)) =
        (without_date(&String::from_utf8_lossy(&conversion.body)), without_date(&Part::AtImpact.block()));
    assert_eq!(sent, shown);
    // The call has no time of its own: it happened when it came.
    let form = |date: &str| date.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(form(&at), form(&shown_at));
    assert!(Time::parse(&at.replace("%3A", ":")).is_some(), "{at}");
}

/// The form without its EventDate, and that.
fn without_date(form: &str) -> (String, String) {
    let (start, rest) = form.split_once("EventDate=").unwrap();
    let (date, rest) = rest.split_once('&').unwrap();
    (format!("{start}EventDate={rest}"), date.to_owned())
}

#[test]
fn the_picture_shows_the_neighbours_that_are_the_defaults() {
    let (picture, config) = (Part::Picture.block(), configuration());
    let [landing, page, track] = paths();
    assert_eq!(landing, format!("/?{}=…", config.click.parameters[0]));
    assert!([page, track].iter().all(|path| path.starts_with(&format!("{}/v1/", config.segment.prefix))), "{picture}");
    assert!(picture.contains(&format!("──▶ {} ", config.segment.api.host().unwrap())), "{picture}");
    assert!(config.impact.api.host().unwrap().ends_with("impact.com") && picture.contains("──▶ impact.com "));
    Readme::own().says(&format!("point the SDKs at `{}` of your own host", config.segment.prefix));
}
