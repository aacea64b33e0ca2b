//! Resources: quantities as Kubernetes writes them, checked before anything is created.
//!
//! Source of the format: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What one execution may use. Each is a request and a limit alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Cores: `2`, `500m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Memory: `4Gi`, `512M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<String>,
    /// Whole accelerators: `1`, or a name and a number of the device plug-in, `nvidia.com/gpu: 1` being meant by the bare number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// Scratch space: `10Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

impl Resources {
    /// An error names the field, e.g. `resources.mem`, and what would be right.
    pub fn check(&self) -> Result<()> {
        for (field, value) in [("cpu", &self.cpu), ("mem", &self.mem), ("gpu", &self.gpu), ("disk", &self.disk)] {
            if let Some(value) = value {
                let quantity = quantity(value);
                if quantity.is_none_or(|q| q <= 0.0 || !q.is_finite()) || (field == "gpu" && value.parse::<u32>().is_err()) {
                    let example = match field {
                        "cpu" => "a number of cores such as \"2\" or \"500m\"",
                        "gpu" => "a whole number such as \"1\"",
                        _ => "a size such as \"512Mi\" or \"4Gi\"",
                    };
                    return Err(Error::invalid(&format!("resources.{field}"), value, format!("resources.{field} {value:?} is not a quantity"), format!("give {example}")));
                }
            }
        }
        Ok(())
    }
}

/// A Kubernetes quantity as a number.
#[must_use]
pub fn quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let (digits, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|digits| (digits, *factor))).unwrap_or((text, 1.0));
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    (plain && digits.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'.')).then(|| digits.parse::<f64>().ok()).flatten().map(|n| n * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(quantity("500m"), Some(0.5));
        assert_eq!(quantity("4Gi"), Some(4.0 * 1024.0 * 1024.0 * 1024.0));
        assert_eq!(quantity("1e3"), Some(1000.0));
        for bad in ["", "4GB", "Gi", "-1", "4 Gi", "inf", "nan"] {
            assert_eq!(quantity(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bad_quantity_names_its_field() {
        let resources = Resources { mem: Some("4GB".into()), ..Resources::default() };
        let error = resources.check().expect_err("4GB").to_string();
        assert!(error.contains("resources.mem") && error.contains("4Gi"), "{error}");
    }
}
