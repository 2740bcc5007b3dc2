//! What there is to choose from, as lines for people and as JSON for machines.

use super::Failure;
use crate::connect::workspace::Segment;
use crate::connect::{Trouble, one_line, programs};
use crate::destination::impact::account::{self, Campaign};
use crate::segment::public_api::{Destination, Region, Source};
use serde_json::{Value, json};

/// Sources and programs; a token that may not see programs leaves these out, and says so.
pub(super) fn list(
    as_json: bool,
    segment: &Segment,
    sources: &[Source],
    destinations: &[Destination],
    programs: Result<&[Campaign], &Trouble>,
) -> Result<String, Failure> {
    let campaigns = match programs {
        Ok(campaigns) => campaigns,
        Err(trouble) if trouble.status() == Some(403) => {
            super::super::say(&format!("warning: {}\n", programs::sentence(trouble, "the programs")));
            &[]
        }
        Err(trouble) => return Err(Failure::Failed(programs::sentence(trouble, "the programs"))),
    };
    let region = match segment.region {
        Region::Us => "us",
        Region::Eu => "eu",
    };
    if as_json {
        let workspace = &segment.workspace;
        let workspace = json!({"name": workspace.name, "slug": workspace.slug, "region": region});
        let sources: Vec<Value> = sources.iter().map(|source| source_row(source, destinations)).collect();
        let programs: Vec<Value> = campaigns.iter().map(program_row).collect();
        return Ok(format!("{}\n", json!({"workspace": workspace, "sources": sources, "programs": programs})));
    }
    let mut text = format!("Sources of the workspace {} ({region})\n", one_line(&segment.workspace.name));
    for source in sources {
        text.push_str(&format!("  {}\n", one_line(&source_line(source, false))));
        for destination in destinations.iter().filter(|one| one.source_id == source.id) {
            let state = if destination.enabled { "on" } else { "off" };
            let campaign = destination.settings.get("campaignId").map(Value::to_string).unwrap_or_default();
            text.push_str(&format!(
                "    {} is {state}, campaign {}\n",
                one_line(&destination.metadata.name),
                one_line(&campaign)
            ));
        }
    }
    text.push_str("Active programs of the account\n");
    campaigns.iter().for_each(|campaign| text.push_str(&format!("  {}\n", one_line(&program_line(campaign)))));
    Ok(text)
}

/// What a source can be called by.
pub(super) fn names_of(source: &Source) -> Vec<String> {
    let mut names = vec![source.slug.clone(), source.id.clone()];
    names.extend(source.name.iter().filter(|name| **name != source.slug).cloned());
    names.extend(source.write_keys.iter().cloned());
    names
}

pub(super) fn source_line(source: &Source, is_listed: bool) -> String {
    let keys = if source.write_keys.is_empty() { "not shown".to_owned() } else { source.write_keys.join(", ") };
    let name = source.name.as_deref().unwrap_or_default();
    let listed = if is_listed { ", in the configuration already" } else { "" };
    let off = if source.enabled { "" } else { ", switched off" };
    format!("{}  {name}  write key {keys}{off}{listed}", source.slug)
}

pub(super) fn program_line(campaign: &Campaign) -> String {
    let templates =
        if campaign.templates.is_empty() { "no tracking template".to_owned() } else { campaign.templates.join("  ") };
    format!("{}  {}  {templates}", campaign.id, campaign.name)
}

fn source_row(source: &Source, destinations: &[Destination]) -> Value {
    let mine = destinations.iter().filter(|one| one.source_id == source.id);
    let mine: Vec<Value> = mine
        .map(|one| json!({"id": one.id, "enabled": one.enabled, "campaign_id": one.settings.get("campaignId")}))
        .collect();
    json!({
        "id": source.id, "slug": source.slug, "name": source.name, "enabled": source.enabled,
        "write_keys": source.write_keys, "impact_destinations": mine,
    })
}

fn program_row(campaign: &Campaign) -> Value {
    json!({
        "id": campaign.id, "name": campaign.name, "state": campaign.state, "templates": campaign.templates,
        "click_parameters": account::click_parameters(&campaign.templates),
    })
}
