//! Pixels: a call in the query of a GET, always answered with the image.

use super::kept::Outgoing;
use super::spliced::Spliced;
use super::{Caller, Calls, answer, forward, visitor_of};
use crate::proxy::body::Body;
use crate::proxy::stopwatch::Stopwatch;
use crate::segment::pixel::{Pixel, QUERY_BYTES_MAX};
use crate::segment::{CallKind, Envelope, Expect, Untouched};
use crate::store::PersonKey;
use bytes::Bytes;
use http::{Request, Response, request};

/// Whose call a pixel holds.
#[derive(Default)]
struct Whose {
    people: Vec<PersonKey>,
    write_key: Option<String>,
}

impl Calls {
    /// Records and enriches a pixel's call, sends it on, and answers with the image whatever Segment says.
    pub(super) async fn pixel(
        &self,
        request: Box<Request<Body>>,
        kind: CallKind,
        path: &str,
        caller: &Caller<'_>,
        watch: &Stopwatch,
    ) -> Response<Body> {
        let (parts, _) = (*request).into_parts();
        let arrival = self.shared.clock.now();
        let query = parts.uri.query().unwrap_or_default();
        let mut whose = Whose::default();
        let rewritten = self.rewritten(&parts, query, kind, caller, &mut whose).await;
        let Whose { people, write_key } = whose;
        let (path_only, _) = path.split_once('?').unwrap_or((path, ""));
        let target = rewritten.map_or_else(|| path.to_owned(), |query| format!("{path_only}?{query}"));
        let headers = forward::headers(&parts.headers, Some(&visitor_of(&parts.headers, caller)));
        let out =
            Outgoing { method: parts.method, path: &target, headers, body: Bytes::new(), arrival, people, write_key };
        // Segment's answer is the same image, so nobody waits to read it.
        drop(self.send(out, watch).await);
        answer::image()
    }

    /// The query with its call enriched; `None`: it goes on as it came. What is known of its call is set in `whose`.
    async fn rewritten(
        &self,
        parts: &request::Parts,
        query: &str,
        kind: CallKind,
        caller: &Caller<'_>,
        whose: &mut Whose,
    ) -> Option<String> {
        if query.len() > QUERY_BYTES_MAX {
            self.shared.metrics.envelope(Untouched::TooLarge);
            return None;
        }
        let Some(pixel) = Pixel::read(query) else {
            self.shared.metrics.envelope(Untouched::NoCall);
            return None;
        };
        let expect = Expect::One(kind);
        let envelope = match Envelope::read(&pixel.json, expect, &self.shared.rules.names) {
            Ok(envelope) => envelope,
            Err(untouched) => {
                self.shared.metrics.envelope(untouched);
                return None;
            }
        };
        let visitor = visitor_of(&parts.headers, caller);
        let judged = self.judge(&envelope, &parts.headers, Some(&visitor), caller).await;
        whose.people.extend(judged.iter().flat_map(|one| one.anonymous.into_iter().chain(one.user)));
        whose.write_key = self.write_key(&envelope, &parts.headers);
        let recorded = self.recorder.record(&judged, whose.write_key.as_deref()).await;
        let spliced = Spliced {
            envelope: &envelope,
            judged: &judged,
            shared: &self.shared,
            expect,
            takes_integrations: pixel.takes_integrations(),
        };
        let json = spliced.body(&recorded)?;
        let click = judged.first().filter(|one| !one.edits().is_empty()).and_then(|one| one.attribution.as_ref());
        let written = pixel.write(query, &json, click.map(|chosen| chosen.click.id.as_str()), &self.shared.rules.names);
        if written.is_none() {
            self.shared.metrics.envelope(Untouched::TooLarge);
        }
        written
    }
}
