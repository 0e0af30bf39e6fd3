from pyagentspec.flows.flowbuilder import FlowBuilder
from pyagentspec.flows.nodes import ToolNode
from pyagentspec.property import StringProperty
from pyagentspec.tools import ServerTool

QUERY, TEXT, LOUD, LOW = (StringProperty(title=title) for title in ("query", "text", "loud", "low"))
shout = ServerTool(name="shout", inputs=[TEXT], outputs=[LOUD])
whisper = ServerTool(name="whisper", inputs=[TEXT], outputs=[LOW])

flow = FlowBuilder()
flow.add_node(ToolNode(name="shout", tool=shout))
flow.add_node(ToolNode(name="whisper", tool=whisper))  # the defect
flow.set_entry_point("shout", inputs=[QUERY])
flow.set_finish_points("shout", outputs=[LOUD])
flow.add_data_edge("StartNode", "shout", ("query", "text"))
flow.add_data_edge("StartNode", "whisper", ("query", "text"))
flow.add_data_edge("shout", "EndNode_1", "loud")
flow.build()
