"""The tools of a support agent: search over articles, customers, a policy that decides; also as MCP tools."""

import re
import uuid
from collections import Counter
from typing import Any

from targets.app.store import Database, Row, Store
from targets.app.web import Answer, Refused, Request

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS articles (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS terms (term TEXT, article INTEGER, times INTEGER, PRIMARY KEY (term, article))",
    "CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, name TEXT, plan TEXT, lookups INTEGER)",
    "CREATE TABLE IF NOT EXISTS policies (action TEXT PRIMARY KEY, most INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS decisions (id TEXT PRIMARY KEY, action TEXT, amount INTEGER, decision TEXT)",
)

_TOPICS = ["refund", "invoice", "delivery", "password", "warranty", "account", "order", "subscription"]
_ASPECTS = {
    "asking for one": "Write to us with the number of the {topic} and we begin on the same day",
    "how long it takes": "Most take five working days; a {topic} from abroad takes ten",
    "who may ask": "The owner of the account asks for a {topic}, or whoever the owner has named",
    "what it costs": "A first {topic} is free; each further one in a month costs five",
    "when it is refused": "A {topic} is refused after two years, or where the number is not known",
}
_REGIONS = ["Europe", "Asia", "Africa", "Oceania", "America"]
# Amounts up to which an action is allowed without asking a person; what is not here always asks.
_POLICIES = {"refund": 100, "refunded": 100, "discount": 50, "escalated": 1_000_000}
_MOST_ID = 2**31 - 1
_MOST_TERMS = 16
_MCP_SEARCHES = ("knowledge", "similar")


def fill(database: Database) -> None:
    """Make the schema, and the articles with their index where there are none."""
    for statement in SCHEMA:
        database.rows(statement)
    if database.rows("SELECT 1 FROM articles LIMIT 1"):
        return
    articles: list[Row] = []
    for topic in _TOPICS:
        for aspect, text in _ASPECTS.items():
            for region in _REGIONS:
                title = f"{topic.capitalize()}: {aspect} ({region})"
                articles.append((len(articles) + 1, title, f"{text.format(topic=topic)}. In {region}."))
    terms = [
        (term, number, times)
        for number, title, body in articles
        for term, times in Counter(_terms(f"{title} {body}")).items()
    ]
    database.many("INSERT INTO articles (id, title, body) VALUES (?, ?, ?)", articles)
    database.many("INSERT INTO terms (term, article, times) VALUES (?, ?, ?)", terms)
    database.many("INSERT INTO policies (action, most) VALUES (?, ?)", list(_POLICIES.items()))


def found_articles(database: Database, words: str) -> list[dict[str, Any]]:
    """The five articles in which most of these words are, each time weighing less the more articles have the word."""
    terms = _terms(words)[:_MOST_TERMS]
    if not terms:
        return []
    marks = ", ".join("?" * len(terms))
    rows = database.rows(
        "SELECT a.id, a.title, a.body, SUM(1.0 * t.times / spread.articles) AS score FROM terms t"
        " JOIN articles a ON a.id = t.article"
        f" JOIN (SELECT term, COUNT(*) AS articles FROM terms WHERE term IN ({marks}) GROUP BY term) spread"
        " ON spread.term = t.term GROUP BY a.id, a.title, a.body ORDER BY score DESC, a.id LIMIT 5",
        terms,
    )
    return [
        {"id": number, "title": title, "text": body, "score": float(score)}
        for number, title, body, score in rows
    ]


class Desk:
    """`/tools/search`, `/tools/crm`, `/tools/policy` and `/mcp`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<Desk on {self._store!r}>"

    async def search(self, request: Request) -> Answer:
        words = request.query.get("q", "")
        if not words:
            raise Refused(400, "say what to search for: /tools/search?q=refund")
        return Answer({"query": words, "results": await self._store.read(lambda db: found_articles(db, words))})

    async def crm(self, request: Request) -> Answer:
        """A customer, who is taken into the books when first asked for; counts how often that was."""
        number = _whole(request.query.get("customer"), "customer", _MOST_ID)
        new = (number, f"Customer {number}", ("free", "plus", "team")[number % 3])
        rows = await self._store.run(
            lambda db: db.rows(
                "INSERT INTO customers (id, name, plan, lookups) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (id) DO UPDATE SET lookups = customers.lookups + 1 RETURNING name, plan, lookups",
                new,
            )
        )
        name, plan, lookups = rows[0]
        return Answer({"customer": number, "name": name, "plan": plan, "lookups": lookups})

    async def policy(self, request: Request) -> Answer:
        """Whether an action may be done for an amount: allow, or escalate to a person. The decision is written down."""
        given: dict[str, Any] = {**request.query, **request.json()}
        action = given.get("action")
        if not isinstance(action, str) or not action:
            raise Refused(400, "say which action: /tools/policy?action=refund&amount=20")
        amount = _whole(given.get("amount", 0), "amount", _MOST_ID)
        number = uuid.uuid4().hex

        def decided(db: Database) -> str:
            rows = db.rows("SELECT most FROM policies WHERE action = ?", (action,))
            decision = "allow" if rows and amount <= rows[0][0] else "escalate"
            db.rows(
                "INSERT INTO decisions (id, action, amount, decision) VALUES (?, ?, ?, ?)",
                (number, action, amount, decision),
            )
            return decision

        decision = await self._store.run(decided)
        return Answer({"id": number, "action": action, "amount": amount, "decision": decision})

    async def mcp(self, request: Request) -> Answer:
        """JSON-RPC as MCP's streamable HTTP has it: initialize, ping, tools/list, tools/call of the two searches."""
        asked = request.json()
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.get("id")}
        params = asked.get("params")
        params = params if isinstance(params, dict) else {}
        method = asked.get("method")
        if "method" in asked and "id" not in asked:
            return Answer(status=202)
        if method == "initialize":
            reply["result"] = {
                "protocolVersion": params.get("protocolVersion", "2025-06-18"),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "agent-app", "version": "1"},
            }
        elif method == "ping":
            reply["result"] = {}
        elif method == "tools/list":
            takes = {"type": "object", "properties": {"query": {"type": "string"}}}
            reply["result"] = {"tools": [{"name": name, "inputSchema": takes} for name in _MCP_SEARCHES]}
        elif method != "tools/call":
            reply["error"] = {"code": -32601, "message": f"there is no method {method}"}
        elif params.get("name") not in _MCP_SEARCHES:
            reply["error"] = {"code": -32602, "message": f"there is no tool {params.get('name')}"}
        else:
            arguments = params.get("arguments")
            words = str(arguments.get("query", "")) if isinstance(arguments, dict) else ""
            results = await self._store.read(lambda db: found_articles(db, words or "order"))
            text = "\n".join(result["title"] for result in results)
            reply["result"] = {"content": [{"type": "text", "text": text}], "isError": False}
        return Answer(reply)


def _terms(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _whole(given: object, name: str, most: int) -> int:
    """Raises Refused (400) unless this is a whole number from 0 to most."""
    if isinstance(given, str) and re.fullmatch(r"[0-9]{1,10}", given):
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= most:
        raise Refused(400, f"{name} must be a whole number from 0 to {most}")
    return given
