from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    query: str
    loud: str


def shout(state: State) -> dict[str, str]:
    return {"loud": state["query"].upper()}


graph = StateGraph(State)
graph.add_node("shout", shout)
graph.add_edge(START, "shout")
graph.add_edge("shout", END)
graph.compile()
