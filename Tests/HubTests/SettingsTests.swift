// Flags and environment, and finding what is in a cache.

import FoundationEssentials
import Testing

@testable import Hub

@Suite struct SettingsTests {
  private let folder = FileManager.default.temporaryDirectory
    .appending(path: "martlet-settings-\(UUID().uuidString)")

  private func write(_ name: String, _ text: String) throws -> String {
    let file = folder.appending(path: name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
    return file.path
  }

  @Test(arguments: [
    (["HOME": "/h"], "/h/.cache/huggingface/hub"),
    (["HOME": "/h", "XDG_CACHE_HOME": "/x"], "/x/huggingface/hub"),
    (["HOME": "/h", "HF_HOME": "~/hf"], "/h/hf/hub"),
    (["HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"], "/old"),
    (["HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "/new"], "/new"),
    (["HOME": "/h", "HF_HUB_CACHE": ""], "/h/.cache/huggingface/hub"),
  ])
  func findsTheCache(_ environment: [String: String], _ expected: String) {
    #expect(HubCache(environment: environment).directory == expected)
  }

  @Test func findsTheToken() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    func token(_ environment: [String: String], file: String? = nil) throws -> String? {
      var flags = HubSettings.Flags()
      flags.tokenFile = file
      return try HubSettings(flags, environment: environment).token
    }
    let home = ["HF_HOME": folder.path]
    #expect(try token(home) == nil)
    _ = try write("token", "hf_stored\n")
    #expect(try token(home) == "hf_stored")
    #expect(try token(home.merging(["HF_TOKEN": "hf_env"]) { $1 }) == "hf_env")
    let file = try write("mine", " hf_file\r\n")
    #expect(try token(["HF_TOKEN": "hf_env"], file: file) == "hf_file")
    #expect(throws: HubError.self) { try token([:], file: folder.path + "/missing") }
    let error = #expect(throws: HubError.self) { try token(["HF_TOKEN": "hf_a\r\nHost: secret"]) }
    let text = "\(try #require(error))"
    #expect(text.contains("HF_TOKEN") && !text.contains("secret"))
  }

  @Test func readsTheRest() throws {
    var flags = HubSettings.Flags()
    let plain = try HubSettings(flags, environment: ["HOME": "/nowhere"])
    #expect(plain.endpoint == "https://huggingface.co" && !plain.isOffline)
    #expect(plain.http.trust == .system)
    let environment = [
      "HOME": "/nowhere", "HF_ENDPOINT": "https://mirror.example/hf/", "HF_HUB_OFFLINE": "1",
      "SSL_CERT_FILE": "/ca.pem",
    ]
    let other = try HubSettings(flags, environment: environment)
    #expect(other.endpoint == "https://mirror.example/hf" && other.isOffline)
    #expect(other.http.trust == .file("/ca.pem"))
    flags.endpoint = "https://b.example"
    flags.authorityFile = "/mine.pem"
    let flagged = try HubSettings(flags, environment: environment)
    #expect(flagged.endpoint == "https://b.example" && flagged.http.trust == .file("/mine.pem"))
    flags.endpoint = "mirror.example"
    #expect(throws: HubError.self) { try HubSettings(flags, environment: environment) }
    #expect(throws: HubError.self) {
      try HubSettings(HubSettings.Flags(), environment: ["HTTPS_PROXY": "socks5://p:1"])
    }
  }

  @Test func findsModelsInTheCache() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let (a, b) = (String(repeating: "a", count: 40), String(repeating: "b", count: 40))
    let cache = HubCache(directory: folder.path)
    func path(_ model: String) throws -> String? {
      try cache.path(of: ModelReference(model))?.replacing(folder.path + "/", with: "")
    }
    #expect(try path("org/m") == nil)
    _ = try write("models--org--m/refs/main", a + "\n")
    #expect(try path("org/m") == nil, "a reference to nothing")
    _ = try write("models--org--m/snapshots/\(a)/config.json", "{}")
    _ = try write("models--org--m/snapshots/\(a)/model.safetensors", "")
    _ = try write("models--org--m/snapshots/\(b)/x-Q8_0.gguf", "")
    #expect(try path("org/m") == "models--org--m/snapshots/\(a)")
    #expect(try path("org/m:Q8_0") == nil)
    #expect(try path("org/m@\(b)") == "models--org--m/snapshots/\(b)/x-Q8_0.gguf")
    #expect(try path("org/m:Q8_0@\(b)") == "models--org--m/snapshots/\(b)/x-Q8_0.gguf")
    _ = try write("models--org--m/snapshots/\(b)/x-Q5_0.gguf", "")
    #expect(throws: HubError.self) { try path("org/m@\(b)") }
    _ = try write("models--org--m/refs/broken", "../../x")
    #expect(try path("org/m@broken") == nil)
    #expect(HubCache.modelName(ofSnapshot: "/c/models--org--m/snapshots/\(a)") == "org/m")
    #expect(HubCache.modelName(ofSnapshot: "/c/models--gpt2/snapshots/\(a)/x.gguf") == "gpt2")
    #expect(HubCache.modelName(ofSnapshot: "/c/snapshots/\(a)") == nil)
    #expect(HubCache.modelName(ofSnapshot: "Models/default") == nil)
  }
}
