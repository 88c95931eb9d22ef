import Foundation
import Testing

@testable import Server

struct ModelTextTests {
  @Test func aTemplateBesideAGGUFFileReplacesItsOwn() throws {
    let file = Repository.file("Tests/Fixtures/checkpoints/gguf-tokenizers/llama3.gguf")
    let folder = TestServer.temporaryFolder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data("beside".utf8).write(to: URL(fileURLWithPath: folder + "/chat_template.jinja"))
    try FileManager.default.copyItem(atPath: file.path, toPath: folder + "/model.gguf")
    func prompt(_ path: String, replacement: String? = nil) throws -> String {
      let template = try #require(try ModelText(path: path, chatTemplate: replacement).template)
      return try template.render(
        messages: [["role": "user", "content": "Hello"]], tools: nil, addGenerationPrompt: false
      ).text
    }
    #expect(try prompt(file.path) == "<|begin_of_text|>[user]Hello")
    #expect(try prompt(folder) == "beside")
    #expect(try prompt(folder + "/model.gguf") == "beside")
    #expect(try prompt(folder, replacement: "chatml").hasPrefix("<|im_start|>"))
    for path in [folder, file.path] {
      #expect(try ModelText.tokenizer(path: path).token(904) == "<|end_of_text|>")
    }
  }
}
