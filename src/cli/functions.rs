//! `functions`: lists functions, and shows one.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::console::Console;
use super::table::{Column, Table};
use super::{Failure, Outcome, SUCCESS, default_project, text};
use crate::engine::Engine;
use crate::error::Error;
use crate::model::function::Function;
use crate::model::key::{Key, KeyType};
use crate::model::time;

/// `functions …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Functions {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print a function's source
    Show(Show),
}

/// The options of `functions`.
#[derive(Debug, Args)]
struct List {
    /// Of this project (RUNWRIGHT_PROJECT, default)
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// Print an array of records as JSON
    #[arg(long)]
    json: bool,
}

/// The options of `functions show`.
#[derive(Debug, Args)]
struct Show {
    /// Its name or its key
    name: String,
    /// The version: a digest, or the first 6 or more digits of one; the newest by default
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// List its versions instead
    #[arg(long, conflicts_with = "version")]
    versions: bool,
    /// Of this project (RUNWRIGHT_PROJECT, default)
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

impl Functions {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        match self.verb {
            Some(Verb::Show(show)) => show.execute(&engine, console).await,
            None => self.list.execute(&engine, console).await,
        }
    }
}

impl List {
    async fn execute(self, engine: &Engine, console: &mut Console) -> Outcome {
        let project = engine.project_or_default(&self.project.unwrap_or_else(default_project)).await?.name;
        let functions = engine.store.functions(&project).await?;
        print(console, &functions, self.json)
    }
}

impl Show {
    async fn execute(self, engine: &Engine, console: &mut Console) -> Outcome {
        let (project, name, version) = self.named()?;
        let function = engine.function(&project, &name, version.as_deref()).await?;
        if self.versions {
            return print(console, &engine.store.versions(&function.project, &function.name).await?, self.json);
        }
        if self.json {
            console.json(&function)?;
        } else {
            // The heading goes where it is in nobody's way: the source can be piped into a file.
            console.tell(&heading(&function));
            console.line(&source(&function))?;
        }
        Ok(SUCCESS)
    }

    /// Project, name and version, from the name or the key.
    fn named(&self) -> Result<(String, String, Option<String>), Failure> {
        if !self.name.starts_with("store://") {
            return Ok((self.project.clone().unwrap_or_else(default_project), self.name.clone(), self.version.clone()));
        }
        let key: Key = self.name.parse()?;
        if key.of != KeyType::Function {
            return Err(Error::invalid(
                "name",
                &self.name,
                format!("{} names a {}, not a function", self.name, key.of.as_str()),
                "keys of functions look like store://<project>/function/<kind>/<name>:<version>",
            )
            .into());
        }
        Ok((key.project.to_string(), key.name.to_string(), self.version.clone().or(key.id)))
    }
}

fn print(console: &mut Console, functions: &[Function], json: bool) -> Outcome {
    if json {
        console.json(&functions)?;
        return Ok(SUCCESS);
    }
    if functions.is_empty() {
        console.tell("no functions");
        return Ok(SUCCESS);
    }
    let mut table = Table::new(vec![Column::fixed("NAME"), Column::fixed("KIND"), Column::fixed("VERSION"), Column::fixed("CREATED"), Column::elastic("DESCRIPTION")]);
    let now = time::now();
    for function in functions {
        let created = if console.is_terminal { text::ago(function.created, now) } else { function.created.to_string() };
        table.row(vec![function.name.as_str().into(), function.kind.as_str().into(), function.version.short().into(), created.into(), function.description.clone().into()]);
    }
    console.table(&table)?;
    Ok(SUCCESS)
}

fn heading(function: &Function) -> String {
    let handler = function.spec.get("source").and_then(|source| source.get("handler")).map(|handler| format!(", handler {}", text::value(handler))).unwrap_or_default();
    format!("{} ({}, {}{handler})", function.key(), function.kind, text::local(function.created))
}

/// The source: its only file, or every file under a heading. A function without source is shown as its spec.
fn source(function: &Function) -> String {
    let files = function.spec.get("source").and_then(|source| source.get("files")).and_then(Value::as_object);
    match files {
        Some(files) if files.len() == 1 => files.values().map(text::value).collect::<String>().trim_end().to_owned(),
        Some(files) if !files.is_empty() => files.iter().map(|(name, content)| format!("# ---- {name}\n{}", text::value(content).trim_end())).collect::<Vec<_>>().join("\n\n"),
        _ => serde_json::to_string_pretty(&function.spec).unwrap_or_default(),
    }
}
