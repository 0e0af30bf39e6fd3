from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    query: str
    loud: str
    number: int


class Words(TypedDict):
    loud: list[str]  # the defect


def shout(state: State) -> dict[str, str]:
    return {"loud": state["query"].upper()}


def count(state: Words) -> dict[str, int]:
    return {"number": len(state["loud"])}


graph = StateGraph(State)
graph.add_node("shout", shout)
graph.add_node("count", count)
graph.add_edge(START, "shout")
graph.add_edge("shout", "count")
graph.add_edge("count", END)
graph.compile()
