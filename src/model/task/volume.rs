//! Volume: storage that a run sees as a folder, in the platform's form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::names::{FILE, LABEL, OBJECT};
use super::strict::snake;
use crate::error::{Error, Result};
use crate::model::fields::{Fields, not};
use crate::model::resources::quantity;

/// One volume of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// What the run's own objects call it.
    pub name: String,
    /// The folder where the container has it.
    pub mount_path: String,
    /// Only this path of it.
    pub sub_path: Option<String>,
    pub read_only: bool,
    pub source: Source,
}

/// Where a volume's content is.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A claim that exists already; or, where it has a size, one made with each pod of this run, and gone with it.
    PersistentVolumeClaim(Claim),
    /// Made for this run, gone with it; on a node's disk or in its memory (`medium`).
    EmptyDir {
        size_limit: Option<String>,
        medium: Option<String>,
    },
    /// Made for this run by the cluster's storage, gone with it.
    Ephemeral {
        size: String,
        storage_class: Option<String>,
    },
    /// A claim that several runs share, made beforehand.
    SharedVolume {
        claim_name: String,
    },
    ConfigMap(Files),
    Secret(Files),
}

/// A claim, as it is mounted or made.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    Existing(String),
    Made { size: String, storage_class: Option<String> },
}

/// The files of a config map or a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// The object's name.
    pub object: String,
    /// Only these keys, each as the file that it says. Empty: every key as a file of its name.
    pub items: BTreeMap<String, String>,
    /// The run starts without it, too.
    pub optional: bool,
}

/// The folder of what a run itself brings along.
const OURS: &str = "/runwright";
const TYPES: [&str; 6] = ["persistent_volume_claim", "empty_dir", "ephemeral", "shared_volume", "config_map", "secret"];
const FIELDS: [&str; 6] = ["volume_type", "name", "mount_path", "spec", "read_only", "sub_path"];
const A_VOLUME: &str = "a volume, such as {\"volume_type\": \"persistent_volume_claim\", \"name\": \"data\", \"mount_path\": \"/data\"}";
const A_SIZE: &str = "a size, such as \"10Gi\"";

/// The volumes of a run; neither a name nor a folder twice.
pub fn read(fields: &Fields) -> Result<Vec<Volume>> {
    let volumes = fields.list("volumes", "a list of volumes", Volume::read)?;
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (at, volume) in volumes.iter().enumerate() {
        for (field, value, seen) in [("name", &volume.name, &mut names), ("mount_path", &volume.mount_path, &mut paths)] {
            if !seen.insert(value.clone()) {
                let field = format!("volumes[{at}].{field}");
                return Err(Error::invalid(&field, value, format!("{field}={value:?} is that of another volume, too"), "give each volume a name and a folder of its own"));
            }
        }
    }
    Ok(volumes)
}

impl Volume {
    fn read(place: String, value: &Value) -> Result<Self> {
        let all = snake(value.as_object().ok_or_else(|| not(&place, value, A_VOLUME))?);
        let fields = Fields::read("a volume", place, &all, &FIELDS)?;
        let of = fields.required("volume_type", &format!("one of: {}", TYPES.join(", ")), fields.choice("volume_type", &TYPES)?)?;
        let name = fields.required("name", "a name, such as \"data\"", fields.text("name", "a name, such as \"data\"")?)?;
        let sub_path = fields.get("sub_path", "a relative path without '..'", |value| value.as_str().filter(|path| is_relative(path)))?;
        Ok(Self {
            name: LABEL.check(&fields.place_of("name"), name)?.to_owned(),
            mount_path: mount_path(&fields)?,
            sub_path: sub_path.map(str::to_owned),
            read_only: fields.get("read_only", "True or False", Value::as_bool)?.unwrap_or_default(),
            source: Source::read(of, name, &fields)?,
        })
    }
}

impl Source {
    fn read(of: &str, name: &str, volume: &Fields) -> Result<Self> {
        let empty = Map::new();
        let spec = snake(volume.get("spec", "a mapping", Value::as_object)?.unwrap_or(&empty));
        let fields = |known: &[&str]| Fields::read(&format!("a volume of type {of}"), volume.place_of("spec"), &spec, known);
        Ok(match of {
            "empty_dir" => {
                let fields = fields(&["size_limit", "medium"])?;
                let medium = fields.choice("medium", &["", "Memory"])?.filter(|medium| !medium.is_empty());
                Self::EmptyDir { size_limit: size(&fields, "size_limit")?, medium: medium.map(str::to_owned) }
            }
            "ephemeral" => {
                let fields = fields(&["size", "storage_class"])?;
                Self::Ephemeral { size: fields.required("size", A_SIZE, size(&fields, "size")?)?, storage_class: object(&fields, "storage_class")? }
            }
            "shared_volume" => {
                // A size says what the claim had when it was made.
                let fields = fields(&["claim_name", "size"])?;
                size(&fields, "size")?;
                Self::SharedVolume { claim_name: object(&fields, "claim_name")?.unwrap_or_else(|| name.to_owned()) }
            }
            "config_map" => Self::ConfigMap(files(&fields(&["name", "items", "optional"])?, "name", name)?),
            "secret" => Self::Secret(files(&fields(&["secret_name", "items", "optional"])?, "secret_name", name)?),
            _ => Self::PersistentVolumeClaim(claim(&fields(&["claim_name", "size", "storage_class"])?, name)?),
        })
    }
}

fn claim(fields: &Fields, name: &str) -> Result<Claim> {
    let (existing, size, storage_class) = (object(fields, "claim_name")?, size(fields, "size")?, object(fields, "storage_class")?);
    match (existing, size) {
        (Some(_), Some(size)) => {
            let place = fields.place_of("size");
            Err(Error::invalid(
                &place,
                &size,
                format!("{place}={size:?} and claim_name= contradict each other"),
                "give a size to have a claim made for the run, or the name of one that exists",
            ))
        }
        (None, Some(size)) => Ok(Claim::Made { size, storage_class }),
        (existing, None) => Ok(Claim::Existing(existing.unwrap_or_else(|| name.to_owned()))),
    }
}

fn files(fields: &Fields, object_field: &str, name: &str) -> Result<Files> {
    const ITEMS: &str = "a mapping of keys to files, such as {\"ca.crt\": \"certs/ca.crt\"}";
    let mut items = BTreeMap::new();
    for (key, path) in fields.get("items", ITEMS, Value::as_object)?.into_iter().flatten() {
        let place = format!("{}.{key}", fields.place_of("items"));
        let file = path.as_str().filter(|path| is_relative(path)).ok_or_else(|| not(&place, path, "a relative path without '..'"))?;
        items.insert(FILE.check(&place, key)?.to_owned(), file.to_owned());
    }
    let optional = fields.get("optional", "True or False", Value::as_bool)?.unwrap_or_default();
    Ok(Files { object: object(fields, object_field)?.unwrap_or_else(|| name.to_owned()), items, optional })
}

fn mount_path(fields: &Fields) -> Result<String> {
    const PATH: &str = "an absolute path, such as \"/data\", without '..' and ':'";
    let is_path = |path: &&str| path.starts_with('/') && path.len() > 1 && is_relative(path.trim_matches('/'));
    let path = fields.get("mount_path", PATH, |value| value.as_str().filter(is_path))?;
    let path = fields.required("mount_path", PATH, path)?.trim_end_matches('/');
    if path == OURS || path.starts_with("/runwright/") {
        let place = fields.place_of("mount_path");
        return Err(Error::invalid(&place, path, format!("{place}={path:?} is where Runwright has its own files"), "mount the volume elsewhere, such as on /data"));
    }
    Ok(path.to_owned())
}

fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.contains([':', '\0', '\n']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn object(fields: &Fields, field: &str) -> Result<Option<String>> {
    fields.value(field).map(|value| OBJECT.check_value(&fields.place_of(field), value).map(str::to_owned)).transpose()
}

fn size(fields: &Fields, field: &str) -> Result<Option<String>> {
    fields.get(field, A_SIZE, |value| value.as_str().filter(|text| quantity(text).is_some_and(|size| size > 0.0)).map(str::to_owned))
}
