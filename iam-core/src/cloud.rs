//! [`Cloud`]: the endpoints of one Microsoft cloud, and which hosts may see a bearer token.
//!
//! Source: Microsoft Learn, "National cloud deployments" (Microsoft Graph) and "Azure environments"
//! (Azure Resource Manager).

use crate::error::{Error, ErrorKind, Result};

/// The endpoints of a cloud. No URL ends in a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    authority: String,
    graph: String,
    graph_scope: String,
    arm: Option<String>,
    arm_scope: String,
}

/// The scope of the public cloud's Azure Resource Manager, which emulators take too.
const ARM_SCOPE: &str = "https://management.azure.com/.default";

impl Cloud {
    /// The public cloud.
    pub fn public() -> Self {
        Self::known(
            "https://login.microsoftonline.com",
            "https://graph.microsoft.com",
            "https://management.azure.com",
            ARM_SCOPE,
        )
    }

    /// Microsoft Cloud for US Government (L4).
    pub fn us_government() -> Self {
        // Its tokens are asked for under the name of the classic service management.
        Self::known(
            "https://login.microsoftonline.us",
            "https://graph.microsoft.us",
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
        )
    }

    /// The cloud operated by 21Vianet in China.
    pub fn china() -> Self {
        Self::known(
            "https://login.partner.microsoftonline.cn",
            "https://microsoftgraph.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
        )
    }

    /// Any other pair of endpoints: an emulator, a proxy, a future cloud. `graph` may end in `/v1.0`.
    /// Azure Resource Manager is unknown until [`with_arm`](Self::with_arm) names it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a URL has no `http` or `https` scheme, or is plain `http` to a host
    /// that is not on the loopback: tokens and secrets do not travel unencrypted.
    pub fn custom(authority: &str, graph: &str) -> Result<Self> {
        let authority = checked("authority", authority)?;
        let graph = checked("Graph URL", graph)?;
        let graph = graph.strip_suffix("/v1.0").unwrap_or(&graph).to_owned();
        // An emulator issues tokens for the real Graph audience, as the real service does.
        Ok(Self {
            authority,
            graph,
            graph_scope: "https://graph.microsoft.com/.default".to_owned(),
            arm: None,
            arm_scope: ARM_SCOPE.to_owned(),
        })
    }

    /// The cloud that settings name: `IAM_AUTHORITY` (or `AZURE_AUTHORITY_HOST`), `IAM_GRAPH_URL` and `IAM_ARM_URL`,
    /// read through `variable`. Without any of them it is the public cloud; the authority or the Graph URL of a
    /// Microsoft cloud stands for all of that cloud's endpoints.
    ///
    /// ```
    /// use iam_core::Cloud;
    ///
    /// let cloud = Cloud::of_variables(|name| std::env::var(name).ok())?;
    /// # Ok::<(), iam_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`custom`](Self::custom); also when another authority is named without a Graph URL.
    pub fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let value = |name: &str| {
            variable(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let authority = value("IAM_AUTHORITY").or_else(|| value("AZURE_AUTHORITY_HOST"));
        let graph = value("IAM_GRAPH_URL");
        let is =
            |known: &str, given: Option<&String>| given.is_none_or(|given| origin(given) == origin(known));
        let known = [Self::public(), Self::us_government(), Self::china()];
        let known = known
            .into_iter()
            .find(|cloud| is(&cloud.authority, authority.as_ref()) && is(&cloud.graph, graph.as_ref()));
        let cloud = match (known, authority, graph) {
            (Some(known), ..) => known,
            (None, Some(authority), Some(graph)) => Self::custom(&authority, &graph)?,
            (None, None, Some(graph)) => Self::custom(&Self::public().authority, &graph)?,
            (None, ..) => {
                let message = "IAM_AUTHORITY names no Microsoft cloud: set IAM_GRAPH_URL too";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        match value("IAM_ARM_URL") {
            Some(arm) => cloud.with_arm(&arm),
            None => Ok(cloud),
        }
    }

    /// The same cloud with Azure Resource Manager at that URL. The scope of its tokens stays: an emulator
    /// issues them for the real audience.
    ///
    /// # Errors
    /// As [`custom`](Self::custom).
    pub fn with_arm(mut self, url: &str) -> Result<Self> {
        self.arm = Some(checked("Azure Resource Manager URL", url)?);
        Ok(self)
    }

    fn known(authority: &str, graph: &str, arm: &str, arm_scope: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            graph: graph.to_owned(),
            graph_scope: format!("{graph}/.default"),
            arm: Some(arm.to_owned()),
            arm_scope: arm_scope.to_owned(),
        }
    }

    /// The token authority, for example `https://login.microsoftonline.com`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The Graph root without a version, for example `https://graph.microsoft.com`.
    pub fn graph(&self) -> &str {
        &self.graph
    }

    /// The scope that a client-credentials token for Graph is asked with.
    pub fn graph_scope(&self) -> &str {
        &self.graph_scope
    }

    /// The Azure Resource Manager root, for example `https://management.azure.com`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with advice, for a [`custom`](Self::custom) cloud that does not name one.
    pub fn arm(&self) -> Result<&str> {
        self.arm.as_deref().ok_or_else(|| {
            let message = "this cloud names no Azure Resource Manager: add its URL with Cloud::with_arm";
            Error::new(ErrorKind::Invalid, message)
        })
    }

    /// The scope that a client-credentials token for Azure Resource Manager is asked with.
    pub fn arm_scope(&self) -> &str {
        &self.arm_scope
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self::public()
    }
}

/// Scheme, host and port of a URL in lower case (`https://host:port`), or `None` for anything else.
/// Two URLs of one origin may see the same bearer token. A URL with user information has no origin here.
pub fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let host = rest.split(['/', '?', '#', '\\']).next()?;
    if host.is_empty() || host.contains('@') {
        return None;
    }
    let host = host.to_ascii_lowercase();
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    Some(if has_port {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{default_port}")
    })
}

/// A URL that may carry what must not be read or changed on the way: https, or http on the loopback.
pub(crate) fn checked(what: &str, url: &str) -> Result<String> {
    let url = url.trim().trim_end_matches('/');
    let wrong = |why: &str| Error::new(ErrorKind::Invalid, format!("{what} {url:?}: {why}"));
    let origin = origin(url).ok_or_else(|| wrong("expected http://host or https://host"))?;
    if let Some(rest) = origin.strip_prefix("http://") {
        let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
        if !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            return Err(wrong("plain http is accepted for loopback hosts only"));
        }
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        assert_eq!(
            origin("https://Graph.Microsoft.com/v1.0"),
            Some("https://graph.microsoft.com:443".into())
        );
        assert_eq!(
            origin("http://127.0.0.1:81?x"),
            Some("http://127.0.0.1:81".into())
        );
        assert_eq!(origin("http://[::1]"), Some("http://[::1]:80".into()));
        for bad in [
            "graph.microsoft.com",
            "file:///etc/passwd",
            "https://",
            "https://a@b/",
        ] {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }

    #[test]
    fn custom_refuses_plain_http_off_loopback() {
        assert!(Cloud::custom("http://127.0.0.1:1/", "http://localhost:2/v1.0").is_ok());
        assert!(Cloud::custom("http://login.example", "https://graph.example").is_err());
        let cloud = Cloud::custom("https://a.example", "https://b.example/v1.0/").unwrap();
        assert_eq!(
            (cloud.authority(), cloud.graph()),
            ("https://a.example", "https://b.example")
        );
    }

    #[test]
    fn each_cloud_has_its_own_endpoints() {
        let known = [Cloud::public(), Cloud::us_government(), Cloud::china()];
        let of = |cloud: &Cloud| [cloud.authority(), cloud.graph(), cloud.graph_scope()].map(str::to_owned);
        // Microsoft Learn, "National cloud deployments".
        let expect = [
            [
                "https://login.microsoftonline.com",
                "https://graph.microsoft.com",
                "https://graph.microsoft.com/.default",
            ],
            [
                "https://login.microsoftonline.us",
                "https://graph.microsoft.us",
                "https://graph.microsoft.us/.default",
            ],
            [
                "https://login.partner.microsoftonline.cn",
                "https://microsoftgraph.chinacloudapi.cn",
                "https://microsoftgraph.chinacloudapi.cn/.default",
            ],
        ];
        assert_eq!(
            known.map(|cloud| of(&cloud)),
            expect.map(|urls| urls.map(str::to_owned))
        );
    }

    #[test]
    fn settings_name_a_cloud() {
        let of = |settings: &[(&str, &str)]| {
            Cloud::of_variables(|name| {
                let found = settings.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let (us, cn) = (
            "https://login.microsoftonline.us/",
            "https://login.partner.microsoftonline.cn",
        );
        assert_eq!(of(&[]).unwrap(), Cloud::public());
        assert_eq!(
            of(&[("IAM_AUTHORITY", " "), ("IAM_GRAPH_URL", "")]).unwrap(),
            Cloud::public()
        );
        assert_eq!(of(&[("IAM_AUTHORITY", us)]).unwrap(), Cloud::us_government());
        assert_eq!(of(&[("AZURE_AUTHORITY_HOST", cn)]).unwrap(), Cloud::china());
        assert_eq!(
            of(&[("IAM_GRAPH_URL", "https://graph.microsoft.us/v1.0")]).unwrap(),
            Cloud::us_government()
        );
        let local = "http://127.0.0.1:1";
        let custom = of(&[
            ("IAM_AUTHORITY", local),
            ("IAM_GRAPH_URL", local),
            ("IAM_ARM_URL", local),
        ])
        .unwrap();
        assert_eq!(
            (custom.authority(), custom.graph(), custom.arm().unwrap()),
            (local, local, local)
        );
        assert_eq!(
            of(&[("IAM_GRAPH_URL", local)]).unwrap().authority(),
            Cloud::public().authority()
        );
        let half = of(&[("IAM_AUTHORITY", local)]).unwrap_err();
        assert!(half.to_string().contains("IAM_GRAPH_URL"), "{half}");
        assert!(of(&[("IAM_GRAPH_URL", "http://graph.example")]).is_err());
    }

    #[test]
    fn resource_manager_is_known_or_asked_for() {
        let check = |cloud: Cloud, arm: &str, scope: &str| {
            assert_eq!((cloud.arm().unwrap(), cloud.arm_scope()), (arm, scope));
        };
        check(
            Cloud::public(),
            "https://management.azure.com",
            "https://management.azure.com/.default",
        );
        check(
            Cloud::us_government(),
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
        );
        check(
            Cloud::china(),
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
        );
        let custom = Cloud::custom("http://127.0.0.1:1", "http://127.0.0.1:1").unwrap();
        assert!(custom.arm().unwrap_err().to_string().contains("with_arm"));
        assert!(custom.clone().with_arm("http://arm.example").is_err());
        check(
            custom.with_arm("http://127.0.0.1:2/").unwrap(),
            "http://127.0.0.1:2",
            ARM_SCOPE,
        );
    }
}
