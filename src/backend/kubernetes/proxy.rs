//! The proxy on the way to an API server, as `kubectl` chooses it: the kubeconfig's `proxy-url`, else that of the environment, which is for no server of this
//! machine and for none that `NO_PROXY` names.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// `of_cluster`: the kubeconfig's. The error is a text that is no URL.
pub fn to(server: &Uri, of_cluster: Option<&str>) -> Result<Option<Uri>, String> {
    let of_cluster = of_cluster.filter(|proxy| !proxy.is_empty());
    if let Some(proxy) = of_cluster {
        return parse(proxy).map(Some);
    }
    let scheme = server.scheme_str().unwrap_or("https");
    match first(&[&format!("{}_PROXY", scheme.to_uppercase()), &format!("{scheme}_proxy")]) {
        Some(proxy) if !is_loopback(server) && !is_excepted(server, &first(&["NO_PROXY", "no_proxy"]).unwrap_or_default()) => parse(&proxy).map(Some),
        _ => Ok(None),
    }
}

fn first(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn parse(proxy: &str) -> Result<Uri, String> {
    let whole = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    whole.parse().map_err(|error| format!("the proxy {:?} is no URL: {error}", hidden(proxy)))
}

/// Without the password that may be in it.
fn hidden(proxy: &str) -> &str {
    proxy.rsplit_once('@').map_or(proxy, |(_, host)| host)
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_excepted(server: &Uri, no_proxy: &str) -> bool {
    Matcher::builder().all("http://proxy").no(no_proxy).build().intercept(server).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().expect("a URL")
    }

    #[test]
    fn a_clusters_own_proxy_is_its_own() {
        assert_eq!(to(&uri("https://127.0.0.1:6443"), Some("http://proxy:3128")), Ok(Some(uri("http://proxy:3128"))));
        assert_eq!(to(&uri("https://10.0.0.1"), Some("proxy:3128")), Ok(Some(uri("http://proxy:3128"))));
        assert!(to(&uri("https://10.0.0.1"), Some("http://me:hidden@[")).is_err_and(|error| !error.contains("hidden")));
    }

    #[test]
    fn no_proxy_is_of_the_server() {
        let cluster = uri("https://api.example.org:6443");
        for (no_proxy, excepted) in [("", false), ("example.org", true), (".example.org,x", true), ("other.org,", false), ("*", true)] {
            assert_eq!(is_excepted(&cluster, no_proxy), excepted, "{no_proxy}");
        }
        assert!(is_excepted(&uri("https://10.1.2.3:6443"), "10.0.0.0/8"));
        assert!(is_loopback(&uri("https://localhost:6443")) && is_loopback(&uri("https://[::1]:6443")) && !is_loopback(&cluster));
    }
}
