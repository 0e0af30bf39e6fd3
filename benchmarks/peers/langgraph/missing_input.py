from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class Request(TypedDict):
    query: str


class State(TypedDict):
    query: str
    mark: str  # the defect
    loud: str


def shout(state: State) -> dict[str, str]:
    return {"loud": state["query"].upper() + state["mark"]}


graph = StateGraph(State, input_schema=Request)
graph.add_node("shout", shout)
graph.add_edge(START, "shout")
graph.add_edge("shout", END)
graph.compile()
