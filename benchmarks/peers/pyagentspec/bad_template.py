from pyagentspec.flows.flowbuilder import FlowBuilder
from pyagentspec.flows.nodes import LlmNode
from pyagentspec.llms import OpenAiConfig
from pyagentspec.property import StringProperty

QUERY, TEXT = (StringProperty(title=title) for title in ("query", "text"))
answer = LlmNode(  # the defect
    name="answer",
    llm_config=OpenAiConfig(name="model", model_id="gpt-4o-mini"),
    prompt_template="Answer in one sentence.\nQuestion: {{ query",
    inputs=[QUERY],
    outputs=[TEXT],
)

flow = FlowBuilder()
flow.add_node(answer)
flow.set_entry_point("answer", inputs=[QUERY])
flow.set_finish_points("answer", outputs=[TEXT])
flow.add_data_edge("StartNode", "answer", "query")
flow.add_data_edge("answer", "EndNode_1", "text")
flow.build()
