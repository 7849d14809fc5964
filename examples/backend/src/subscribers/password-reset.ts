import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { ContainerRegistrationKeys, Modules } from "@medusajs/framework/utils"

type PasswordReset = { entity_id: string; actor_type: string; token: string }

/** Mails the link behind "Forgot password?" of the admin. */
export default async function sendPasswordReset({ event, container }: SubscriberArgs<PasswordReset>): Promise<void> {
  const { entity_id: email, actor_type, token } = event.data
  if (actor_type !== "user") {
    return // this shop has no customer accounts
  }
  if (!process.env.RESEND_API_KEY) {
    container
      .resolve(ContainerRegistrationKeys.LOGGER)
      .warn("A password reset was asked for, but RESEND_API_KEY is not set: no mail is sent.")
    return
  }
  // The first allowed origin is the admin's own address.
  const link = new URL("/app/reset-password", process.env.ADMIN_CORS!.split(",")[0])
  link.search = new URLSearchParams({ token, email }).toString()
  await container.resolve(Modules.NOTIFICATION).createNotifications({
    to: email,
    channel: "email",
    template: "password-reset",
    content: {
      subject: "Reset your FlowDose password",
      text: `Choose a new password within the next minutes: ${link}\n\nDid you not ask for this? Then nothing needs to be done.`,
    },
  })
}

export const config: SubscriberConfig = { event: "auth.password_reset" }
