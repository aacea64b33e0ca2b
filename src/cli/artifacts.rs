//! `artifacts`: lists artifacts, dataitems and models, and shows one with its lineage.

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::console::{Console, Style};
use super::table::{Column, Table};
use super::{Outcome, SUCCESS, default_project, text};
use crate::engine::Engine;
use crate::model::entity::{Entity, Lineage};
use crate::model::key::KeyType;
use crate::model::name::Name;
use crate::model::time;
use crate::store::EntityFilter;

/// `artifacts …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Artifacts {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show one with its lineage: the run that made it and the runs that read it
    Show(Show),
}

/// The options of `artifacts`.
#[derive(Debug, Args)]
struct List {
    /// Only of this type
    #[arg(short, long = "type", value_name = "TYPE")]
    of: Option<Type>,
    /// Only of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Of this project (RUNWRIGHT_PROJECT, default)
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true, default_value_t = 50)]
    limit: u32,
    /// Print an array of records as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Type {
    Artifact,
    Dataitem,
    Model,
}

/// The options of `artifacts show`.
#[derive(Debug, Args)]
struct Show {
    /// Its key; without an id in it, the newest version
    key: String,
    /// Print the record as JSON, with its lineage as a field of its own
    #[arg(long)]
    json: bool,
}

impl Artifacts {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        match self.verb {
            Some(Verb::Show(show)) => show.execute(&engine, console).await,
            None => self.list.execute(&engine, console).await,
        }
    }
}

impl List {
    async fn execute(self, engine: &Engine, console: &mut Console) -> Outcome {
        let filter = EntityFilter {
            project: Some(Name::parse("project", &self.project.unwrap_or_else(default_project))?),
            of: self.of.map(|of| match of {
                Type::Artifact => KeyType::Artifact,
                Type::Dataitem => KeyType::Dataitem,
                Type::Model => KeyType::Model,
            }),
            name: self.name.as_deref().map(|name| Name::parse("name", name)).transpose()?,
            limit: Some(self.limit),
            ..EntityFilter::default()
        };
        let entities = engine.entities(&filter).await?;
        if self.json {
            console.json(&entities)?;
            return Ok(SUCCESS);
        }
        if entities.is_empty() {
            console.tell("no artifacts, dataitems or models");
            return Ok(SUCCESS);
        }
        let mut table = Table::new(vec![Column::fixed("TYPE"), Column::number("SIZE"), Column::fixed("CREATED"), Column::fixed("KEY")]);
        let now = time::now();
        for entity in &entities {
            let created = if console.is_terminal { text::ago(entity.created, now) } else { entity.created.to_string() };
            table.row(vec![entity.of.as_str().into(), size(entity).into(), created.into(), entity.key.as_str().into()]);
        }
        console.table(&table)?;
        Ok(SUCCESS)
    }
}

impl Show {
    async fn execute(self, engine: &Engine, console: &mut Console) -> Outcome {
        let entity = engine.entity(&self.key).await?;
        let lineage = engine.lineage(&entity.key).await?;
        if self.json {
            let mut record = serde_json::to_value(&entity).map_err(std::io::Error::from)?;
            record["lineage"] = json!({"made_by": lineage.made_by, "read_by": lineage.read_by});
            console.json(&record)?;
        } else {
            let page = page(&entity, &lineage, console);
            console.line(&page)?;
        }
        Ok(SUCCESS)
    }
}

fn page(entity: &Entity, lineage: &Lineage, console: &Console) -> String {
    let mut lines = vec![
        ("key", entity.key.clone()),
        ("path", entity.path.clone()),
        ("size", size(entity)),
        ("created", if console.is_terminal { text::local(entity.created) } else { entity.created.to_string() }),
        ("description", entity.description.clone()),
        ("labels", entity.labels.join(", ")),
        ("made by", lineage.made_by.clone().unwrap_or_default()),
    ];
    lines.extend(lineage.read_by.iter().map(|key| ("read by", key.clone())));
    lines.extend(entity.metrics.iter().map(|(name, value)| ("metric", format!("{name} = {}", text::value(value)))));
    for field in ["format", "of", "sha256", "schema", "preview"] {
        lines.extend(entity.spec.get(field).filter(|value| !is_empty(value)).map(|value| (field, text::value(value))));
    }
    let line = |(name, value): (&str, String)| format!("{}  {value}", console.paint(Style::Bold, &format!("{name:<11}")));
    lines.into_iter().filter(|(_, value)| !value.is_empty()).map(line).collect::<Vec<_>>().join("\n")
}

fn size(entity: &Entity) -> String {
    entity.spec.get("size").and_then(Value::as_u64).map(text::bytes).unwrap_or_default()
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}
