from typing import TypedDict

from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import END, START, StateGraph

PROMPT = ChatPromptTemplate.from_template("Answer in one sentence.\nQuestion: {query")  # the defect


class State(TypedDict):
    query: str
    text: str


def answer(state: State) -> dict[str, str]:
    return {"text": PROMPT.invoke({"query": state["query"]}).to_string()}


graph = StateGraph(State)
graph.add_node("answer", answer)
graph.add_edge(START, "answer")
graph.add_edge("answer", END)
graph.compile()
