//! Where, in the bytes of one call, stand the fields that attribution needs and the places to splice.

use super::scan::{Cursor, Node, ScanError, Shape};

/// An object, and whether it has members: new ones go in front, with a comma if there are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// The object's place.
    pub node: Node,
    /// Whether it has no members.
    pub empty: bool,
}

/// The places of one call (or of the top level of a batch). Of duplicate keys the last counts.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The call itself.
    pub object: Option<Object>,
    /// `type`
    pub kind: Option<Node>,
    /// `event`
    pub event: Option<Node>,
    /// `messageId`
    pub message_id: Option<Node>,
    /// `anonymousId`
    pub anonymous_id: Option<Node>,
    /// `userId`
    pub user_id: Option<Node>,
    /// `previousId`
    pub previous_id: Option<Node>,
    /// `timestamp`
    pub timestamp: Option<Node>,
    /// `sentAt`
    pub sent_at: Option<Node>,
    /// `receivedAt`, which only recordings of past calls have.
    pub received_at: Option<Node>,
    /// `writeKey`
    pub write_key: Option<Node>,
    /// `context`
    pub context: Context,
    /// `properties`
    pub properties: Properties,
    /// `integrations`
    pub integrations: Integrations,
}

/// `context`
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The value, whatever it is; `None` when there is no such key.
    pub node: Option<Node>,
    /// Whether it is an object without members.
    pub empty: bool,
    /// `context.referrer`
    pub referrer: Referrer,
    /// `context.page`, whatever it is: as a whole it hides a batch's.
    pub page: Option<Node>,
    /// `context.page.url`
    pub page_url: Option<Node>,
    /// `context.page.search`
    pub page_search: Option<Node>,
    /// `context.userAgent`
    pub user_agent: Option<Node>,
    /// The first element of `context.repeatChain`
    pub repeat_chain: Option<Node>,
}

/// `context.referrer`
#[derive(Clone, Copy, Debug, Default)]
pub struct Referrer {
    /// The value, whatever it is; `None` when there is no such key.
    pub node: Option<Node>,
    /// Whether it is an object without members.
    pub empty: bool,
    /// `context.referrer.id`
    pub id: Option<Node>,
    /// `context.referrer.type`
    pub kind: Option<Node>,
}

/// `properties`, as far as clicks may stand in them.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    /// `properties.url`
    pub url: Option<Node>,
    /// `properties.search`
    pub search: Option<Node>,
    /// Properties named like a click parameter: the parameter's index, and the value.
    pub parameters: Vec<(usize, Node)>,
}

/// `integrations`
#[derive(Clone, Copy, Debug, Default)]
pub struct Integrations {
    /// The value, whatever it is; `None` when there is no such key.
    pub node: Option<Node>,
    /// Whether it is an object without members.
    pub empty: bool,
    /// The member that switches the network's own destination on or off.
    pub own: Option<Node>,
}

/// The names that the walk looks for beside Segment's own: they are data, handed down from above.
#[derive(Clone, Debug)]
pub struct Names {
    /// The click parameters.
    pub parameters: Vec<String>,
    /// The key of the network's own destination in `integrations`.
    pub integration: &'static str,
    /// The `context.referrer.type` of the network's clicks.
    pub referrer_type: &'static str,
}

impl Call {
    /// Walks over the object at the cursor. `other` is called for keys that no call has (the batch's array).
    pub(super) fn walk(
        cursor: &mut Cursor<'_>,
        names: &Names,
        mut other: impl FnMut(&mut Cursor<'_>, &[u8]) -> Result<(), ScanError>,
    ) -> Result<Self, ScanError> {
        let mut call = Self::default();
        let (node, empty) = cursor.object(|cursor, key| {
            match key {
                b"type" => call.kind = Some(cursor.value()?),
                b"event" => call.event = Some(cursor.value()?),
                b"messageId" => call.message_id = Some(cursor.value()?),
                b"anonymousId" => call.anonymous_id = Some(cursor.value()?),
                b"userId" => call.user_id = Some(cursor.value()?),
                b"previousId" => call.previous_id = Some(cursor.value()?),
                b"timestamp" => call.timestamp = Some(cursor.value()?),
                b"sentAt" => call.sent_at = Some(cursor.value()?),
                b"receivedAt" => call.received_at = Some(cursor.value()?),
                b"writeKey" => call.write_key = Some(cursor.value()?),
                b"context" => call.context = Context::walk(cursor)?,
                b"properties" => call.properties = Properties::walk(cursor, names)?,
                b"integrations" => call.integrations = Integrations::walk(cursor, names)?,
                _ => other(cursor, key)?,
            }
            Ok(())
        })?;
        call.object = Some(Object { node, empty });
        Ok(call)
    }
}

impl Context {
    fn walk(cursor: &mut Cursor<'_>) -> Result<Self, ScanError> {
        let mut context = Self::default();
        if cursor.shape()? != Shape::Object {
            context.node = Some(cursor.value()?);
            return Ok(context);
        }
        let (node, empty) = cursor.object(|cursor, key| {
            match key {
                b"referrer" => context.referrer = Referrer::walk(cursor)?,
                b"page" => context.page(cursor)?,
                b"userAgent" => context.user_agent = Some(cursor.value()?),
                b"repeatChain" => context.repeat_chain = first_element(cursor)?,
                _ => drop(cursor.value()?),
            }
            Ok(())
        })?;
        context.node = Some(node);
        context.empty = empty;
        Ok(context)
    }

    fn page(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        (self.page_url, self.page_search) = (None, None);
        if cursor.shape()? != Shape::Object {
            self.page = Some(cursor.value()?);
            return Ok(());
        }
        let (node, _) = cursor.object(|cursor, key| {
            match key {
                b"url" => self.page_url = Some(cursor.value()?),
                b"search" => self.page_search = Some(cursor.value()?),
                _ => drop(cursor.value()?),
            }
            Ok(())
        })?;
        self.page = Some(node);
        Ok(())
    }
}

impl Referrer {
    fn walk(cursor: &mut Cursor<'_>) -> Result<Self, ScanError> {
        let mut referrer = Self::default();
        if cursor.shape()? != Shape::Object {
            referrer.node = Some(cursor.value()?);
            return Ok(referrer);
        }
        let (node, empty) = cursor.object(|cursor, key| {
            match key {
                b"id" => referrer.id = Some(cursor.value()?),
                b"type" => referrer.kind = Some(cursor.value()?),
                _ => drop(cursor.value()?),
            }
            Ok(())
        })?;
        referrer.node = Some(node);
        referrer.empty = empty;
        Ok(referrer)
    }
}

impl Properties {
    fn walk(cursor: &mut Cursor<'_>, names: &Names) -> Result<Self, ScanError> {
        let mut properties = Self::default();
        if cursor.shape()? != Shape::Object {
            cursor.value()?;
            return Ok(properties);
        }
        cursor.object(|cursor, key| {
            let node = cursor.value()?;
            match key {
                b"url" => properties.url = Some(node),
                b"search" => properties.search = Some(node),
                _ => {}
            }
            if let Some(index) = names.parameters.iter().position(|name| name.as_bytes() == key) {
                properties.parameters.push((index, node));
            }
            Ok(())
        })?;
        Ok(properties)
    }
}

impl Integrations {
    fn walk(cursor: &mut Cursor<'_>, names: &Names) -> Result<Self, ScanError> {
        let mut integrations = Self::default();
        if cursor.shape()? != Shape::Object {
            integrations.node = Some(cursor.value()?);
            return Ok(integrations);
        }
        let (node, empty) = cursor.object(|cursor, key| {
            let value = cursor.value()?;
            if key == names.integration.as_bytes() {
                integrations.own = Some(value);
            }
            Ok(())
        })?;
        integrations.node = Some(node);
        integrations.empty = empty;
        Ok(integrations)
    }
}

fn first_element(cursor: &mut Cursor<'_>) -> Result<Option<Node>, ScanError> {
    let mut first = None;
    if cursor.shape()? != Shape::Array {
        cursor.value()?;
        return Ok(first);
    }
    cursor.array(|cursor| {
        let node = cursor.value()?;
        first.get_or_insert(node);
        Ok(())
    })?;
    Ok(first)
}
