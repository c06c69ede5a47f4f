"""Secrets that are told by their shape alone, wherever in a text they stand. Pure.

The shapes are those that providers document for their keys, beside bearer tokens (RFC 6750), JWT (RFC 7519), private
keys in PEM (RFC 7468) and passwords in URLs (RFC 3986, section 3.2.1).
"""

import re

from replay.trace.redaction.links import without_tokens_of_links
from replay.trace.redaction.names import REDACTED

# Keys that begin with their maker's letters: these, how the rest is written, and how much of it there is at least.
_MAKERS = {
    "Groq, xAI, Perplexity, Cerebras, Jina": (("gsk_", "xai-", "pplx-", "csk-", "jina_"), r"[\w\-]", 36),
    "NVIDIA, Pinecone, Together": (("nvapi-", "pcsk_", "tgp_v1_"), r"[\w\-]", 30),
    "Replicate, Fireworks": (("r8_", "fw_"), r"[A-Za-z0-9]", 22),
    "Tavily, LangSmith": (("tvly-", "lsv2_"), r"[\w\-]", 20),
    "E2B, Databricks": (("e2b_", "dapi"), r"[0-9a-f]", 32),
    "Supabase, Pulumi": (("sbp_", "pul-"), r"[0-9a-f]", 32),
    "GitHub": (("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), r"\w", 30),
    "GitLab": (("glpat-", "glptt-", "gldt-", "glrt-", "glft-", "glcbt-", "glimt-", "glsoat-"), r"[\w.\-]", 16),
    "Figma, Linear, Notion": (("figd_", "lin_api_", "ntn_"), r"[\w\-]", 30),
    "Hugging Face, npm": (("hf_", "npm_"), r"[A-Za-z0-9]", 30),
    "DigitalOcean": (("dop_v1_", "doo_v1_", "dor_v1_"), r"[A-Za-z0-9]", 30),
    "PyPI, RubyGems, Docker": (("pypi-AgE", "rubygems_", "dckr_pat_", "dckr_oat_"), r"[\w\-]", 20),
    "Shopify": (("shpat_", "shpca_", "shppa_", "shpss_"), r"[0-9A-Fa-f]", 24),
    "Stripe's hooks, Square, Brevo": (("whsec_", "sq0atp-", "sq0csp-", "xkeysib-"), r"[\w\-]", 20),
    "age": (("AGE-SECRET-KEY-1",), r"[0-9A-Z]", 40),
    "PlanetScale": (("pscale_tkn_", "pscale_pw_", "pscale_oauth_"), r"[\w\-.=]", 20),
    "Atlassian, Heroku, Google OAuth": (("ATATT3", "ATCTT3", "HRKU-AA", "GOCSPX-"), r"[\w\-=]", 24),
    "Postman, New Relic": (("PMAK-", "NRAK-"), r"[A-Za-z0-9\-]", 24),
    "Alibaba Cloud": (("LTAI",), r"[A-Za-z0-9]", 16),
}
_TELLING = 6
# Without a word of this length, which a UUID or a digest is not, there is none of them: one search, not one for each.
_LONG_WORD = re.compile(r"(?![0-9a-f\-]{20})[\w\-]{20}", re.ASCII).search


def _begins(start: str) -> str:
    """Looks back whether a short start begins a word; the n of an escaped line break in front of it is none. What is
    longer is told by itself wherever it stands.
    """
    return rf"(?:(?<!\w{start})|(?<=\\[nrt]{start}))" if len(start) < _TELLING else ""


# Each begins with letters that a search finds fast, and looks back from there: a word boundary in front costs 30 times
# as much. What is in the first column must stand in a text for the second to be tried at all.
_OF_MAKERS = tuple(
    (start, re.compile(rf"{re.escape(start)}{_begins(re.escape(start))}{rest}{{{least},}}", re.ASCII))
    for starts, rest, least in _MAKERS.values()
    for start in starts
)
_OTHERS = tuple(
    (word, re.compile(shape))
    for words, shape in (
        (("earer", "EARER"), r"(earer|EARER)\s+[A-Za-z0-9._~+/\-]{12,}=*"),
        (("asic ", "ASIC "), r"(asic|ASIC)\s+[A-Za-z0-9._~+/\-]{12,}=*"),
        (("sk-", "sk_", "rk_"), rf"[sr]k{_begins('[sr]k')}[-_][A-Za-z0-9_\-]{{16,}}"),
        (("xox",), r"xox[abeoprs]-[A-Za-z0-9\-]{10,}"),
        (("AKIA", "ASIA"), r"A[KS]IA(?<!\wA[KS]IA)[0-9A-Z]{16}\b"),
        (("AIza",), r"AIza[A-Za-z0-9_\-]{35}"),
        (("SG.",), r"SG\.(?<!\wSG\.)[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"),
        (("ya29.",), r"ya29\.[A-Za-z0-9_\-]{20,}"),
        (("1//0",), r"1//0[A-Za-z0-9_\-]{20,}"),
        (("hvs.", "hvb.", "hvr."), r"hv[sbr]\.(?<!\whv.\.)[A-Za-z0-9_\-.]{20,}"),
        (("fc-",), r"fc-(?<!\wfc-)[0-9a-f]{32}"),
        (("ABSK",), r"ABSK(?<!\wABSK)[A-Za-z0-9+/]{80,}=*"),
        (("glsa_", "glc_"), r"gl(?:sa|c)_[A-Za-z0-9+/_]{30,}=*"),
        (("ops_eyJ",), r"ops_eyJ[A-Za-z0-9+/]{80,}=*"),
        (("sntrys_", "sntryu_"), r"sntry[su]_[A-Za-z0-9+/_=]{30,}"),
        (("Q~",), r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}"),
        ((":AA",), r":AA(?<=\d{8}:AA)[A-Za-z0-9_\-]{33}"),
        (("hooks.slack.com/",), r"hooks\.slack\.com/\w{1,20}/[A-Za-z0-9/]{16,}"),
        # Behind a proxy that records for hooks.slack.com only the path is left of it.
        (("/services/T",), r"/services/T[A-Z0-9]{6,20}/B[A-Z0-9]{6,20}/[A-Za-z0-9]{16,}"),
        (("jdbc:oracle:",), r"jdbc:oracle:\w{1,10}:[^\s/\"']{1,100}/[^\s\"'@]{1,200}+(?=@)"),
        (("IncomingWebhook/", "webhookb2/"), r"(?:IncomingWebhook|webhookb2)/[A-Za-z0-9@\-]{16,}[\w/@\-]*+"),
        (("/api/webhooks/",), r"/api/webhooks/\d{1,30}/[A-Za-z0-9_\-]{40,}"),
        (
            ("$2", "$5$", "$6$", "$y$", "$apr1$", "$argon2"),
            r"\$(?:2[abxy]|[56y]|apr1|argon2\w{1,2})\$[^\s:\"'\\]{16,}",
        ),
        (
            ("PRIVATE KEY",),
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
            r"(?s:.)*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        ),
    )
    for word in words
)
# No key of a known shape is shorter.
_SHORTEST = 16
# Of the whole authority, so that a password which holds an @ goes as well.
_IN_URL = re.compile(r"(?<=://)[^\s/?#\"'<>@:\\]*+:[^\s/?#\"'<>\\]{1,1000}@|(?<=://)[^\s/?#\"'<>:@\\]{20,}+@")
# The second way takes a run of such characters that begins no token whole: each eyJ in it would be followed to its end.
_JWT = re.compile(
    r"eyJ(?<!\weyJ)[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]*+|(eyJ(?<!\weyJ)[A-Za-z0-9_\-]*+)"
)


def without_secret_shapes(text: str) -> str:
    """The text with everything that has the shape of a well-known secret replaced."""
    if len(text) >= _SHORTEST:
        for word, shape in _OTHERS:
            if word in text:
                text = shape.sub(_without_secret, text)
        if _LONG_WORD(text):
            for start, shape in _OF_MAKERS:
                if start in text:
                    text = shape.sub(REDACTED, text)
        text = without_tokens_of_links(text)
    if "://" in text and "@" in text:
        text = _IN_URL.sub(f"{REDACTED}@", text)
    return _JWT.sub(lambda found: found[1] or REDACTED, text) if "eyJ" in text else text


def _without_secret(found: "re.Match[str]") -> str:
    return f"{found[1]} {REDACTED}" if found.lastindex else REDACTED
