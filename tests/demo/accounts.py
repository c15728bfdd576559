"""An MCP server that wants a key: what `make run` shows credentials and one-time codes with.

`whoami` gives away what it was called with, as a server with a careless debug tool would: the firewall takes it out.
"""

import os

from mcp.server.fastmcp import Context, FastMCP

server = FastMCP("accounts", host="127.0.0.1", port=int(os.environ["PORT"]), stateless_http=True, log_level="WARNING")


@server.tool(structured_output=False)
def whoami(context: Context) -> str:
    """Says who is signed in, and what came in the headers."""
    headers = context.request_context.request.headers
    key = headers.get("authorization", "")
    known = key == f"Bearer {os.environ['ACCOUNTS_KEY']}"
    who = "the service account of the team" if known else "nobody"
    return f"Signed in: {who}.\nauthorization: {key}\nx-api-key: {headers.get('x-api-key', 'none')}"


@server.tool(structured_output=False)
def close_account(name: str) -> str:
    """Closes an account for good."""
    return f"{name} is closed."


if __name__ == "__main__":
    server.run("streamable-http")
